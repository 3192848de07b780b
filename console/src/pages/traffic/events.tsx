import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState, type JSX } from 'react';
import { get, messageOf, type Params } from '../../api/client';
import { LIST_KEPT_MS } from '../../api/queries';
import type { Page as PageOf, TrafficRow } from '../../api/types';
import { filterParam } from '../../lib/conditions';
import { bytes, clock, count, dateTime, durationMs } from '../../lib/format';
import { useNow, useRange, useUrl } from '../../lib/hooks';
import { statusClass } from '../../lib/palette';
import { pick } from '../../lib/url-state';
import { Icon } from '../../ui/icons';
import { Empty, Failure, Panel, Skeleton } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';
import { VirtualList } from '../../ui/virtual-list';

const CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const;
const SLOW = [
  ['', 'Any duration'],
  ['100', '≥ 100 ms'],
  ['500', '≥ 500 ms'],
  ['1000', '≥ 1 s'],
  ['5000', '≥ 5 s'],
] as const;

/** The requests themselves, newest first. */
export function Events(): JSX.Element {
  const { params, set } = useUrl();
  const { range, refetchInterval } = useRange();
  const [atTop, setAtTop] = useState(true);
  const nowMs = useNow(60_000);
  const asked: Params = useMemo(() => {
    const operation = params.get('operation');
    return {
      ...range,
      ...pick(params, ['service', 'app', 'gateway', 'status_class', 'q', 'min_duration_ms']),
      filter: filterParam(operation ? [{ field: 'operation', value: operation, not: false }] : []),
    };
  }, [params, range]);
  const pages = useInfiniteQuery({
    queryKey: ['traffic-events', asked],
    queryFn: ({ signal, pageParam }) => get<PageOf<TrafficRow>>('/traffic/events', { ...asked, limit: 100, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
    gcTime: LIST_KEPT_MS,
    refetchInterval: (query) => (atTop && (query.state.data?.pages.length ?? 0) <= 1 ? refetchInterval : false),
  });
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.rows) ?? [], [pages.data]);
  const { hasNextPage, isFetching, fetchNextPage } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);

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
        <select className="select tall" aria-label="Least duration" value={params.get('min_duration_ms') ?? ''} onChange={(event) => set({ min_duration_ms: event.target.value })}>
          {SLOW.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </div>
      <div className="events-list">
        {pages.isPending ? (
          <Skeleton lines={8} />
        ) : pages.data === undefined ? (
          <Failure error={pages.error} retry={() => void pages.refetch()} />
        ) : rows.length === 0 ? (
          <Empty icon="traffic" title="No event in this range yet">
            Each request that the gateway answers becomes a row here. If filters are set, take one away.
          </Empty>
        ) : (
          <VirtualList
            rows={rows}
            rowKey={(row) => String(row.seq)}
            rowHeight={30}
            label="API events, newest first"
            onEnd={more}
            onTop={setAtTop}
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
            footer={<p className="list-note">{pages.error ? messageOf(pages.error) : pages.isFetchingNextPage ? 'Loading older events…' : hasNextPage ? '' : `All ${count(rows.length)} events of this range`}</p>}
          />
        )}
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
