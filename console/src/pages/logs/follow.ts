import { useEffect, useRef, useState } from 'react';
import { apiUrl, type Params } from '../../api/client';
import type { LogRow } from '../../api/types';

/** Lines kept while following; older ones are a page away. */
const KEPT = 2000;
const RETRY_MS = 3000;

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
    let timer = 0;
    let lastId = '';
    let source: EventSource;
    const connect = (): void => {
      source = new EventSource(lastId === '' ? url : `${url}${url.includes('?') ? '&' : '?'}after=${encodeURIComponent(lastId)}`);
      source.addEventListener('open', () => {
        setState('live');
        setReason(null);
      });
      source.addEventListener('problem', (event: MessageEvent<string>) => setReason(event.data));
      source.addEventListener('error', () => {
        setState('interrupted');
        // The browser reconnects after a broken connection, but not after a refusal: then it is up to us.
        if (source.readyState === EventSource.CLOSED) timer = window.setTimeout(connect, RETRY_MS);
      });
      source.addEventListener('row', (event: MessageEvent<string>) => {
        lastId = event.lastEventId;
        buffer.current.push(JSON.parse(event.data) as LogRow);
        if (buffer.current.length > KEPT) buffer.current.shift();
        frame ||= requestAnimationFrame(() => {
          frame = 0;
          if (isHeld.current) setWaiting(buffer.current.length);
          else takeOver.current();
        });
      });
    };
    connect();
    return () => {
      source.close();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      buffer.current = [];
      setRows([]);
      setWaiting(0);
      setState('connecting');
    };
  }, [on, url]);

  return { rows, waiting, state, reason };
}
