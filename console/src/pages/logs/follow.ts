import { useEffect, useRef, useState } from 'react';
import { apiUrl, type Params } from '../../api/client';
import type { LogRow } from '../../api/types';

/** Lines kept while following; older ones are a page away. */
const KEPT = 2000;

export type FollowState = 'connecting' | 'live' | 'interrupted';

interface Followed {
  rows: LogRow[];
  /** Lines that arrived while held. */
  waiting: number;
  state: FollowState;
  /** Why the server ended it, if it said so. */
  reason: string | null;
}

/**
 * Lines as they arrive, newest first, from when `on` was set. While `held`, they are counted but not shown, so that what
 * is being read doesn't move. Lines are taken over once a frame however many come.
 */
export function useFollow(params: Params, on: boolean, held: boolean): Followed {
  const [rows, setRows] = useState<LogRow[]>([]);
  const [waiting, setWaiting] = useState(0);
  const [state, setState] = useState<FollowState>('connecting');
  const [reason, setReason] = useState<string | null>(null);
  const buffer = useRef<LogRow[]>([]);
  const isHeld = useRef(held);
  const { from: _from, to: _to, ...filters } = params;
  const url = apiUrl('/logs/follow', filters);

  const takeOver = useRef(() => {
    if (buffer.current.length === 0) return;
    const fresh = buffer.current.reverse();
    buffer.current = [];
    setWaiting(0);
    setRows((now) => [...fresh, ...now].slice(0, KEPT));
  });

  useEffect(() => {
    isHeld.current = held;
    if (!held) takeOver.current();
  }, [held]);

  useEffect(() => {
    if (!on) return;
    let frame = 0;
    const source = new EventSource(url);
    source.addEventListener('open', () => {
      setState('live');
      setReason(null);
    });
    source.addEventListener('problem', (event: MessageEvent<string>) => setReason(event.data));
    source.addEventListener('error', () => setState('interrupted'));
    source.addEventListener('row', (event: MessageEvent<string>) => {
      buffer.current.push(JSON.parse(event.data) as LogRow);
      if (buffer.current.length > KEPT) buffer.current.shift();
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        if (isHeld.current) setWaiting(buffer.current.length);
        else takeOver.current();
      });
    });
    return () => {
      source.close();
      cancelAnimationFrame(frame);
      buffer.current = [];
      setRows([]);
      setWaiting(0);
      setState('connecting');
    };
  }, [on, url]);

  return { rows, waiting, state, reason };
}
