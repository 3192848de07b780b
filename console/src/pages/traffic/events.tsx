import { useMemo, type JSX } from 'react';
import type { Params } from '../../api/client';
import { useNewestFirst } from '../../api/newest-first';
import type { TrafficRow } from '../../api/types';
import { bytes, clock, dateTime, durationMs } from '../../lib/format';
import { useNow, useRange, useUrl } from '../../lib/hooks';
import { statusClass } from '../../lib/palette';
import { pick } from '../../lib/url-state';
import { Icon } from '../../ui/icons';
import { LeastDuration } from '../../ui/least-duration';
import { NewestFirstList } from '../../ui/newest-first-list';
import { Empty, Panel } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';

const CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const;

/** The requests themselves, newest first. */
export function Events(): JSX.Element {
  const { params, set } = useUrl();
  const { range, refetchInterval } = useRange();
  const nowMs = useNow(60_000);
  const asked: Params = useMemo(() => ({ ...range, ...pick(params, ['service', 'operation', 'app', 'gateway', 'status_class', 'q', 'min_duration_ms']) }), [params, range]);
  const list = useNewestFirst<TrafficRow>('/traffic/events', asked, { refetchInterval });

  return (
    <Panel className="events" flush>
      <div className="row wrap-row events-bar">
        <h2>Events</h2>
        <SearchBox value={params.get('q') ?? ''} placeholder="Part of the path" label="Search events by path" onChange={(q) => set({ q }, { replace: true })} />
        <div className="segmented" role="group" aria-label="Status class">
          {CLASSES.map((of) => (
            <button key={of} type="button" aria-pressed={params.get('status_class') === of} onClick={() => set({ status_class: params.get('status_class') === of ? null : of })}>
              {of}
            </button>
          ))}
        </div>
        <LeastDuration value={params.get('min_duration_ms')} onChange={(ms) => set({ min_duration_ms: ms })} />
      </div>
      <div className="events-list">
        <NewestFirstList
          list={list}
          what="events"
          label="API events, newest first"
          rowKey={(row) => String(row.seq)}
          rowHeight={30}
          empty={
            <Empty icon="traffic" title="No event in this range yet">
              Each request that the gateway answers becomes a row here. If filters are set, take one away.
            </Empty>
          }
          header={
            <div className="event-row head" aria-hidden="true">
              <span>Time</span>
              <span>Status</span>
              <span>Method</span>
              <span>Path</span>
              <span className="hide-narrow">API</span>
              <span className="hide-narrow">Application</span>
              <span className="right">Sent</span>
              <span className="right">Duration</span>
              <span />
            </div>
          }
          render={(row) => <EventRow row={row} nowMs={nowMs} chosen={params.get('event') === row.correlation_id} onOpen={() => set({ event: row.correlation_id })} />}
        />
      </div>
    </Panel>
  );
}

function EventRow({ row, nowMs, chosen, onOpen }: { row: TrafficRow; nowMs: number; chosen: boolean; onOpen: () => void }): JSX.Element {
  return (
    <div className={chosen ? 'event-row on' : 'event-row'} onClick={onOpen}>
      <button type="button" className="rowbutton mono faint-strong" data-open title={dateTime(row.ts)} onClick={(event) => { event.stopPropagation(); onOpen(); }}>
        {clock(row.ts, nowMs)}
      </button>
      <StatusBadge status={row.http_status} finalStatus={row.final_status} />
      <span className="mono">{row.http_method ?? ''}</span>
      <span className="mono truncate" title={row.path ?? ''}>
        {row.path ?? ''}
      </span>
      <span className="truncate hide-narrow" title={row.operation ?? ''}>
        {row.service ?? ''} <span className="faint">{row.operation ?? ''}</span>
      </span>
      <span className="truncate hide-narrow">
        {row.app ?? ''} {row.app_org && <span className="faint">{row.app_org}</span>}
      </span>
      <span className="right num">{bytes(row.bytes_sent)}</span>
      <span className="right num">{durationMs(row.duration_ms)}</span>
      <span className="event-mark">{row.trace_id && <Icon name="traces" size={13} />}</span>
    </div>
  );
}

export function StatusBadge({ status, finalStatus }: { status: number | null; finalStatus: string | null }): JSX.Element {
  const of = statusClass(status);
  const tone = of === '5xx' ? 'bad' : of === '4xx' ? 'warn' : of === '2xx' ? 'ok' : '';
  return (
    <span className={`badge ${tone} num`} title={finalStatus ?? undefined}>
      {status ?? finalStatus ?? '–'}
    </span>
  );
}
