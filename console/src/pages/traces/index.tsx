import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState, type JSX } from 'react';
import { Link } from 'react-router';
import { get, messageOf, type Params } from '../../api/client';
import { LIST_KEPT_MS } from '../../api/queries';
import type { Page as PageOf, TraceRow } from '../../api/types';
import { clock, count, dateTime, durationMs } from '../../lib/format';
import { useNow, useRange, useUrl } from '../../lib/hooks';
import { dot, hues } from '../../lib/palette';
import { pick } from '../../lib/url-state';
import { Icon } from '../../ui/icons';
import { Page } from '../../ui/page';
import { Empty, Failure, Panel, Skeleton } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';
import { VirtualList } from '../../ui/virtual-list';
import { FieldFilter } from '../logs/filters';
import '../../styles/traces.css';

const SLOW = [
  ['', 'Any duration'],
  ['10', '≥ 10 ms'],
  ['50', '≥ 50 ms'],
  ['100', '≥ 100 ms'],
  ['500', '≥ 500 ms'],
  ['1000', '≥ 1 s'],
  ['5000', '≥ 5 s'],
] as const;
const TRACE_ID = /^[0-9a-f]{32}$/i;

export default function Traces(): JSX.Element {
  const { params, set, link } = useUrl();
  const { range, refetchInterval } = useRange();
  const [atTop, setAtTop] = useState(true);
  const nowMs = useNow(60_000);
  const asked: Params = useMemo(() => ({ ...range, ...pick(params, ['service', 'q', 'status', 'min_duration_ms']) }), [params, range]);
  const pages = useInfiniteQuery({
    queryKey: ['traces', asked],
    queryFn: ({ signal, pageParam }) => get<PageOf<TraceRow>>('/traces', { ...asked, limit: 100, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
    gcTime: LIST_KEPT_MS,
    refetchInterval: (query) => (atTop && (query.state.data?.pages.length ?? 0) <= 1 ? refetchInterval : false),
  });
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.rows) ?? [], [pages.data]);
  const longest = useMemo(() => rows.reduce((most, row) => Math.max(most, row.duration_ms), 0), [rows]);
  const colors = useMemo(() => hues(rows.flatMap((row) => row.services)), [rows]);
  const { hasNextPage, isFetching, fetchNextPage } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const q = params.get('q') ?? '';
  const errorsOnly = params.get('status') === 'error';
  const filtered = ['service', 'q', 'status', 'min_duration_ms'].some((key) => params.has(key));

  return (
    <Page title="Traces" fixed>
      <div className="row wrap-row">
        <SearchBox value={q} placeholder="Part of the first span’s name, or a trace id" label="Search traces" onChange={(text) => set({ q: text }, { replace: true })} />
        {TRACE_ID.test(q.trim()) && (
          <Link className="button primary tall" to={link(`/traces/${q.trim().toLowerCase()}`)}>
            Open this trace
          </Link>
        )}
        <FieldFilter field="service_name" label="Service" value={params.get('service')} params={{ ...range }} onChange={(service) => set({ service })} />
        <select className="select tall" aria-label="Least duration" value={params.get('min_duration_ms') ?? ''} onChange={(event) => set({ min_duration_ms: event.target.value })}>
          {SLOW.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <button type="button" className="button" aria-pressed={errorsOnly} onClick={() => set({ status: errorsOnly ? null : 'error' })}>
          <Icon name="alert" size={14} /> Errors only
        </button>
      </div>
      <Panel className="fill lines" flush>
        {pages.isPending ? (
          <Skeleton lines={12} />
        ) : pages.data === undefined ? (
          <Failure error={pages.error} retry={() => void pages.refetch()} />
        ) : rows.length === 0 ? (
          filtered ? (
            <Empty icon="search" title="No trace matches">Nothing in this range fits the filters. Widen the range, or take a filter away.</Empty>
          ) : (
            <Empty icon="traces" title="No traces in this range yet">
              Spans arrive by OTLP: point an OpenTelemetry SDK or collector at ports 4317 (gRPC) or 4318 (HTTP) with an ingest token; or try --demo.
            </Empty>
          )
        ) : (
          <VirtualList
            rows={rows}
            rowKey={(row) => row.trace_id}
            rowHeight={38}
            label="Traces, newest first"
            onEnd={more}
            onTop={setAtTop}
            header={
              <div className="trace-row head" aria-hidden="true">
                <span>Time</span>
                <span>Name</span>
                <span className="hide-narrow">Services</span>
                <span className="right">Spans</span>
                <span>Duration</span>
              </div>
            }
            render={(row) => (
              <Link className="trace-row" data-open to={link(`/traces/${row.trace_id}`)}>
                <span className="mono muted" title={dateTime(row.ts)}>
                  {clock(row.ts, nowMs)}
                </span>
                <span className="row">
                  <span className="truncate">
                    <b>{row.root_name || 'unnamed'}</b> <span className="faint">{row.root_service}</span>
                  </span>
                  {row.error_count > 0 && <span className="badge bad">{count(row.error_count)} {row.error_count === 1 ? 'error' : 'errors'}</span>}
                </span>
                <span className="row hide-narrow services">
                  {row.services.slice(0, 4).map((service) => (
                    <span key={service} className="row service">
                      <i className="swatch" style={dot(colors.get(service) ?? '')} /> <span className="truncate">{service}</span>
                    </span>
                  ))}
                  {row.services.length > 4 && <span className="faint">+{row.services.length - 4}</span>}
                </span>
                <span className="right num">{count(row.span_count)}</span>
                <span className="duration">
                  <span className="meter">
                    <i style={{ ...dot(row.error_count > 0 ? 'var(--data-5xx)' : 'var(--accent)'), width: `${longest > 0 ? Math.max((100 * row.duration_ms) / longest, 1) : 1}%` }} />
                  </span>
                  <span className="num">{durationMs(row.duration_ms)}</span>
                </span>
              </Link>
            )}
            footer={<p className="list-note">{pages.error ? messageOf(pages.error) : pages.isFetchingNextPage ? 'Loading older traces…' : hasNextPage ? '' : `All ${count(rows.length)} traces of this range`}</p>}
          />
        )}
      </Panel>
    </Page>
  );
}
