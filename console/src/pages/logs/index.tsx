import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState, type JSX } from 'react';
import { get, type Params } from '../../api/client';
import { useNewestFirst } from '../../api/newest-first';
import type { LogHistogram, LogRow } from '../../api/types';
import { withCondition, type Condition } from '../../lib/conditions';
import { count } from '../../lib/format';
import { useNow, useRange, useUrl } from '../../lib/hooks';
import { searchedFor } from '../../lib/log-body';
import { severityColor } from '../../lib/palette';
import { absolute } from '../../lib/time-range';
import { Icon } from '../../ui/icons';
import { NewestFirstList } from '../../ui/newest-first-list';
import { Page } from '../../ui/page';
import { Empty, Loaded, Panel, Skeleton } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';
import { Legend, TimeChart } from '../../ui/time-chart';
import { Chip, ConditionChips, FieldFilter } from './filters';
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
  if (!traceId && !params.has('where')) return null;
  return (
    <div className="row wrap-row">
      {traceId && <Chip name="trace_id" value={traceId} onRemove={() => set({ trace_id: null })} />}
      <ConditionChips />
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
  const nowMs = useNow(60_000);
  const list = useNewestFirst<LogRow>('/logs', asked, { pageRows: PAGE_ROWS, refetchInterval, still: open.size > 0 });
  const follow = useFollow(asked, live, !list.atTop);

  const rows = useMemo(() => {
    if (follow.rows.length === 0) return list.rows;
    const seen = new Set(follow.rows.map((row) => row.seq));
    return [...follow.rows, ...list.rows.filter((row) => !seen.has(row.seq))];
  }, [list.rows, follow.rows]);

  const toggle = useCallback((row: LogRow) => {
    setOpen((now) => {
      const next = new Set(now);
      if (!next.delete(rowKey(row))) next.add(rowKey(row));
      return next;
    });
  }, []);

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
      <NewestFirstList
        list={{ ...list, rows }}
        what="lines"
        label="Log lines, newest first"
        rowKey={rowKey}
        rowHeight={26}
        render={(row) => <LogLine row={row} open={open.has(rowKey(row))} wrap={wrap} nowMs={nowMs} searched={searched} onToggle={toggle} onFilter={onFilter} />}
        empty={<NoLines filtered={filtered} live={live} />}
      />
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
