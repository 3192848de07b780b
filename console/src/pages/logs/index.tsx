import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState, type JSX } from 'react';
import { get, messageOf, type Params } from '../../api/client';
import { LIST_KEPT_MS } from '../../api/queries';
import type { LogHistogram, LogRow, Page as PageOf } from '../../api/types';
import { conditionsOf, formatCondition, withCondition, type Condition } from '../../lib/conditions';
import { count, dateTime } from '../../lib/format';
import { useNow, useRange, useUrl } from '../../lib/hooks';
import { searchedFor } from '../../lib/log-body';
import { severityColor } from '../../lib/palette';
import { absolute } from '../../lib/time-range';
import { Icon } from '../../ui/icons';
import { Page } from '../../ui/page';
import { Empty, Failure, Loaded, Panel, Skeleton } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';
import { Legend, TimeChart } from '../../ui/time-chart';
import { VirtualList } from '../../ui/virtual-list';
import { Chip, FieldFilter } from './filters';
import { useFollow } from './follow';
import { LogLine } from './line';
import { CLEARED, FIELD_LABELS, FIELD_PARAMS, isFiltered, logParams, rowKey, SEVERITIES } from './state';
import '../../styles/logs.css';

const PAGE_ROWS = 200;

export default function Logs(): JSX.Element {
  const { params, set } = useUrl();
  const { range, refetchInterval } = useRange();
  const live = params.get('live') === '1';
  const wrap = params.get('wrap') === '1';
  const q = params.get('q') ?? '';
  const searched = useMemo(() => searchedFor(q), [q]);
  const asked = useMemo(() => logParams(params, range), [params, range]);

  const filter = useCallback(
    (condition: Condition) => {
      const column = condition.field as keyof typeof FIELD_PARAMS;
      const own = condition.field === 'trace_id' ? 'trace_id' : FIELD_PARAMS[column];
      if (own && !condition.not) set({ [own]: String(condition.value) });
      else set({ where: withCondition(params.getAll('where'), condition) });
    },
    [params, set],
  );

  return (
    <Page title="Logs" fixed>
      <div className="row wrap-row">
        <SearchBox
          value={q}
          placeholder='Search lines: timeout "connection reset" -healthz'
          hint='Words that a line must all have, in any case. "Words in quotes" must follow each other; -word must be absent.'
          onChange={(q) => set({ q }, { replace: true })}
        />
        <select className="select tall" aria-label="Least severity" value={params.get('severity_min') ?? ''} onChange={(event) => set({ severity_min: event.target.value })}>
          {SEVERITIES.map((severity) => (
            <option key={severity.min} value={severity.min}>
              {severity.label}
            </option>
          ))}
        </select>
        {FIELD_LABELS.map(([field, label]) => (
          <FieldFilter key={field} field={field} label={label} value={params.get(FIELD_PARAMS[field])} params={{ ...asked, [FIELD_PARAMS[field]]: undefined }} onChange={(value) => set({ [FIELD_PARAMS[field]]: value })} />
        ))}
        <button type="button" className="button icon" aria-pressed={wrap} aria-label="Wrap long lines" title="Wrap long lines" onClick={() => set({ wrap: wrap ? null : '1' })}>
          <Icon name="wrap" />
        </button>
        <button type="button" className="button" aria-pressed={live} onClick={() => set(live ? { live: null } : { live: '1', from: null, to: null })}>
          <Icon name={live ? 'pause' : 'live'} size={15} /> {live ? 'Following' : 'Follow'}
        </button>
      </div>
      <Chips />
      <Panel className="histogram">
        <Histogram asked={asked} refetchInterval={refetchInterval} onZoom={(from, to) => set({ ...absolute(from, to), live: null })} />
      </Panel>
      <Lines key={live ? 'live' : 'still'} asked={asked} refetchInterval={live ? false : refetchInterval} live={live} wrap={wrap} searched={searched} filtered={isFiltered(params)} onFilter={filter} />
    </Page>
  );
}

function Chips(): JSX.Element | null {
  const { params, set } = useUrl();
  const traceId = params.get('trace_id');
  const where = params.getAll('where');
  const conditions = conditionsOf(where);
  if (!traceId && conditions.length === 0) return null;
  return (
    <div className="row wrap-row">
      {traceId && <Chip name="trace_id" value={traceId} onRemove={() => set({ trace_id: null })} />}
      {conditions.map((condition) => {
        const text = formatCondition(condition);
        return <Chip key={text} name={condition.field} value={String(condition.value)} not={condition.not} onRemove={() => set({ where: where.filter((other) => other !== text) })} />;
      })}
      <button type="button" className="button plain small" onClick={() => set(CLEARED)}>
        Clear all
      </button>
    </div>
  );
}

interface HistogramProps {
  asked: Params;
  refetchInterval: number | false;
  onZoom: (fromMs: number, toMs: number) => void;
}

function Histogram({ asked, refetchInterval, onZoom }: HistogramProps): JSX.Element {
  const query = useQuery({
    queryKey: ['logs-histogram', asked],
    queryFn: ({ signal }) => get<LogHistogram>('/logs/histogram', { ...asked, buckets: 90 }, signal),
    refetchInterval,
    placeholderData: keepPreviousData,
  });
  const chart = useMemo(() => {
    if (!query.data) return null;
    // The most severe come last: on top of the stack, and so at the eye's first stop.
    const names = [...query.data.series].reverse();
    return {
      times: query.data.buckets.map((bucket) => Date.parse(bucket.ts)),
      series: names.map((name) => ({ name, color: severityColor(name), values: query.data.buckets.map((bucket) => bucket.counts[name] ?? 0) })),
      totals: names.map((name) => query.data.buckets.reduce((sum, bucket) => sum + (bucket.counts[name] ?? 0), 0)),
    };
  }, [query.data]);
  return (
    <Loaded query={query} loading={<Skeleton height={112} />}>
      {(data) =>
        chart && (
          <>
            <TimeChart {...chart} shape="bars" intervalMs={data.interval_seconds * 1000} height={96} format={count} onZoom={onZoom} label="Lines over time by severity" />
            <div className="row">
              <Legend items={chart.series.map((series, i) => ({ name: series.name.toLowerCase(), color: series.color, note: count(chart.totals[i]) })).reverse()} />
              <span className="grow" />
              <span className="faint num histogram-total">{count(chart.totals.reduce((a, b) => a + b, 0))} lines</span>
            </div>
          </>
        )
      }
    </Loaded>
  );
}

interface LinesProps {
  asked: Params;
  refetchInterval: number | false;
  live: boolean;
  wrap: boolean;
  searched: RegExp | null;
  filtered: boolean;
  onFilter: (condition: Condition) => void;
}

function Lines({ asked, refetchInterval, live, wrap, searched, filtered, onFilter }: LinesProps): JSX.Element {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [atTop, setAtTop] = useState(true);
  const nowMs = useNow(60_000);
  const pages = useInfiniteQuery({
    queryKey: ['logs', asked],
    queryFn: ({ signal, pageParam }) => get<PageOf<LogRow>>('/logs', { ...asked, limit: PAGE_ROWS, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
    gcTime: LIST_KEPT_MS,
    // Only the newest page moves, and only for who looks at it: whoever scrolled down is reading.
    refetchInterval: (query) => (atTop && open.size === 0 && (query.state.data?.pages.length ?? 0) <= 1 ? refetchInterval : false),
  });
  const follow = useFollow(asked, live, !atTop);

  const rows = useMemo(() => {
    const loaded = pages.data?.pages.flatMap((page) => page.rows) ?? [];
    if (follow.rows.length === 0) return loaded;
    const seen = new Set(follow.rows.map((row) => row.seq));
    return [...follow.rows, ...loaded.filter((row) => !seen.has(row.seq))];
  }, [pages.data, follow.rows]);

  const toggle = useCallback((row: LogRow) => {
    setOpen((now) => {
      const next = new Set(now);
      if (!next.delete(rowKey(row))) next.add(rowKey(row));
      return next;
    });
  }, []);
  const { hasNextPage, isFetching, fetchNextPage } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);

  // A page may end early because enough was scanned: nothing found so far, but there is more to look through.
  const barren = rows.length === 0 && hasNextPage;
  useEffect(() => {
    if (barren) more();
  }, [barren, more]);

  if (pages.data === undefined && pages.error) return <Panel className="fill"><Failure error={pages.error} retry={() => void pages.refetch()} /></Panel>;
  const last = pages.data?.pages.at(-1);
  return (
    <Panel className="fill lines" flush>
      {live && (
        <div className={`follow-bar ${follow.state}`} role="status">
          <i className="dot" /> {follow.state === 'live' ? 'Following new lines' : follow.state === 'connecting' ? 'Connecting…' : `${follow.reason ?? 'Connection lost'}, trying again…`}
          {follow.waiting > 0 && (
            <button type="button" className="button small primary" onClick={() => document.querySelector('.lines .vlist-scroll')?.scrollTo({ top: 0 })}>
              {count(follow.waiting)} new
            </button>
          )}
        </div>
      )}
      {pages.isPending || (barren && !last?.complete) ? (
        <>
          <Skeleton lines={12} />
          {last?.scanned_until && <p className="list-note">Looked through everything since {dateTime(last.scanned_until)}…</p>}
        </>
      ) : rows.length === 0 ? (
        <NoLines filtered={filtered} live={live} />
      ) : (
        <VirtualList
          rows={rows}
          rowKey={rowKey}
          rowHeight={26}
          label="Log lines, newest first"
          onEnd={more}
          onTop={setAtTop}
          render={(row) => <LogLine row={row} open={open.has(rowKey(row))} wrap={wrap} nowMs={nowMs} searched={searched} onToggle={toggle} onFilter={onFilter} />}
          footer={
            <p className="list-note" role="status">
              {pages.error ? messageOf(pages.error) : pages.isFetchingNextPage ? 'Loading older lines…' : hasNextPage ? '' : `All ${count(rows.length)} lines of this range`}
            </p>
          }
        />
      )}
    </Panel>
  );
}

function NoLines({ filtered, live }: { filtered: boolean; live: boolean }): JSX.Element {
  if (live) return <Empty icon="live" title="Waiting for new lines">They appear here as soon as they are stored.</Empty>;
  if (filtered) return <Empty icon="search" title="No line matches">Nothing in this range fits the search and the filters. Widen the range, or take a filter away.</Empty>;
  return (
    <Empty icon="logs" title="No logs in this range yet">
      Parapet reads container logs below /var/log/pods, files given by --logs, and what arrives by OTLP. Widen the range, or try --demo.
    </Empty>
  );
}
