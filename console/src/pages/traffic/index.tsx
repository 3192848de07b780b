import { keepPreviousData, useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useMemo, type JSX } from 'react';
import { get, type Params } from '../../api/client';
import type { TrafficOverview } from '../../api/types';
import { bytes, count, durationMs, perSecond, percent } from '../../lib/format';
import { useRange, useUrl } from '../../lib/hooks';
import { STATUS_CLASSES, statusColor } from '../../lib/palette';
import { absolute, resolve } from '../../lib/time-range';
import { pick } from '../../lib/url-state';
import { Page } from '../../ui/page';
import { Empty, Loaded, Panel, Skeleton } from '../../ui/panel';
import { Legend, TimeChart, type ChartSeries } from '../../ui/time-chart';
import { Chip } from '../logs/filters';
import { Events } from './events';
import { EventDrawer } from './event';
import { StatusCodes, TopTable } from './top';
import '../../styles/traffic.css';

const PERCENTILES = [
  ['p50_ms', 'p50', 'var(--data-b)'],
  ['p95_ms', 'p95', 'var(--data-a)'],
  ['p99_ms', 'p99', 'var(--data-c)'],
] as const;

const FILTERS = ['service', 'operation', 'app', 'gateway', 'status_class'] as const;

export default function Traffic(): JSX.Element {
  const { params, set } = useUrl();
  const { range, refetchInterval } = useRange();
  const scope: Params = useMemo(() => ({ ...range, ...pick(params, ['service', 'operation', 'app', 'gateway']) }), [range, params]);
  const overview = useQuery({
    queryKey: ['traffic-overview', scope],
    queryFn: ({ signal }) => get<TrafficOverview>('/traffic/overview', { ...scope, buckets: 60 }, signal),
    refetchInterval,
    placeholderData: keepPreviousData,
  });
  const zoom = (fromMs: number, toMs: number): void => set(absolute(fromMs, toMs));
  const correlationId = params.get('event');
  const filters = FILTERS.filter((key) => params.has(key));

  return (
    <Page title="Traffic" lead={overview.data?.source === 'rollup' ? <span className="badge" title="Computed from hourly sums, which cover whole hours">hourly</span> : null}>
      {filters.length > 0 && (
        <div className="row wrap-row">
          {filters.map((key) => (
            <Chip key={key} name={NAMES[key]} value={params.get(key) ?? ''} onRemove={() => set({ [key]: null })} />
          ))}
          <button type="button" className="button plain small" onClick={() => set(Object.fromEntries(FILTERS.map((key) => [key, null])))}>
            Clear all
          </button>
        </div>
      )}
      <Panel className="totals">
        <Loaded query={overview} loading={<Skeleton height={66} />}>
          {(data) => <Totals data={data} spanMs={spanMs(data, range)} />}
        </Loaded>
      </Panel>
      <div className="grid">
        <Panel title="Requests" sub="by status class" className="span-6">
          <Rate overview={overview} onZoom={zoom} />
        </Panel>
        <Panel title="Latency" sub="percentiles" className="span-6">
          <Latency overview={overview} onZoom={zoom} />
        </Panel>
        <Panel title="APIs" className="span-4" flush>
          <TopTable overview={overview} of="top_services" heading="API" chosen={params.get('service')} onPick={(service) => set({ service, operation: null })} />
        </Panel>
        <Panel title="Operations" className="span-4" flush>
          <TopTable overview={overview} of="top_operations" heading="Operation" chosen={params.get('operation')} onPick={(operation) => set({ operation })} />
        </Panel>
        <Panel title="Applications" className="span-4" flush>
          <TopTable overview={overview} of="top_apps" heading="Application" chosen={params.get('app')} onPick={(app) => set({ app })} />
        </Panel>
        <Panel title="Status codes" className="span-12 codes">
          <StatusCodes overview={overview} chosen={params.get('status_class')} onPick={(status_class) => set({ status_class })} />
        </Panel>
      </div>
      <Events />
      {correlationId && <EventDrawer key={correlationId} correlationId={correlationId} onClose={() => set({ event: null })} />}
    </Page>
  );
}

const NAMES: Record<(typeof FILTERS)[number], string> = { service: 'API', operation: 'operation', app: 'application', gateway: 'gateway', status_class: 'status' };

/** The time that the totals are spread over: never the part of a range that lies before the first data. */
function spanMs(data: TrafficOverview, range: { from: string; to: string }): number {
  const { fromMs, toMs } = resolve(range, Date.now());
  const first = data.buckets.find((bucket) => bucket.requests > 0);
  return Math.max(toMs - Math.max(fromMs, first ? Date.parse(first.ts) : fromMs), 1000);
}

function Totals({ data: { totals }, spanMs }: { data: TrafficOverview; spanMs: number }): JSX.Element {
  const share = totals.requests === 0 ? 0 : totals.errors / totals.requests;
  return (
    <div className="stats">
      <Stat name="Requests" value={count(totals.requests)} note={perSecond((totals.requests * 1000) / spanMs)} testId="traffic-requests" />
      <Stat name="Errors" value={percent(totals.errors, totals.requests)} note={`${count(totals.errors)} requests`} tone={share > 0.05 ? 'bad' : share > 0.01 ? 'warn' : ''} />
      <Stat name="p50 latency" value={durationMs(totals.p50_ms)} note="median" />
      <Stat name="p95 latency" value={durationMs(totals.p95_ms)} note="1 in 20 is slower" />
      <Stat name="p99 latency" value={durationMs(totals.p99_ms)} note="1 in 100 is slower" />
      <Stat name="Sent" value={bytes(totals.bytes_sent)} note={`${bytes(totals.bytes_received)} received`} />
    </div>
  );
}

function Stat({ name, value, note, tone = '', testId }: { name: string; value: string; note: string; tone?: string; testId?: string }): JSX.Element {
  return (
    <div className="stat">
      <div className="name">{name}</div>
      <div className={`value ${tone}`} data-testid={testId}>
        {value}
      </div>
      <div className="note">{note}</div>
    </div>
  );
}

interface ChartProps {
  overview: UseQueryResult<TrafficOverview>;
  onZoom: (fromMs: number, toMs: number) => void;
}

const HEIGHT = 210;

export const NO_TRAFFIC = (
  <Empty icon="traffic" title="No traffic in this range yet">
    Parapet reads gateway event logs given by --open-traffic; or try --demo.
  </Empty>
);

function Rate({ overview, onZoom }: ChartProps): JSX.Element {
  const chart = useMemo(() => {
    const buckets = overview.data?.buckets ?? [];
    const classes = STATUS_CLASSES.filter((of) => buckets.some((bucket) => (bucket.by_class[of] ?? 0) > 0));
    const series: ChartSeries[] = classes.map((of) => ({ name: of, color: statusColor(of), values: buckets.map((bucket) => bucket.by_class[of] ?? 0) }));
    return { times: buckets.map((bucket) => Date.parse(bucket.ts)), series };
  }, [overview.data]);
  return (
    <Loaded query={overview} loading={<Skeleton height={HEIGHT} />} isEmpty={(data) => data.totals.requests === 0} empty={NO_TRAFFIC}>
      {(data) => (
        <>
          <TimeChart {...chart} shape="bars" intervalMs={data.interval_seconds * 1000} height={HEIGHT} format={count} onZoom={onZoom} syncKey="traffic" label="Requests over time by status class" />
          <Legend items={chart.series.map((series) => ({ ...series, note: count(series.values.reduce<number>((a, b) => a + (b ?? 0), 0)) }))} />
        </>
      )}
    </Loaded>
  );
}

function Latency({ overview, onZoom }: ChartProps): JSX.Element {
  const chart = useMemo(() => {
    const buckets = overview.data?.buckets ?? [];
    return {
      times: buckets.map((bucket) => Date.parse(bucket.ts)),
      series: PERCENTILES.map(([key, name, color]) => ({ name, color, values: buckets.map((bucket) => bucket[key]) })),
    };
  }, [overview.data]);
  return (
    <Loaded query={overview} loading={<Skeleton height={HEIGHT} />} isEmpty={(data) => data.totals.requests === 0} empty={NO_TRAFFIC}>
      {(data) => (
        <>
          <TimeChart {...chart} shape="lines" intervalMs={data.interval_seconds * 1000} height={HEIGHT} format={durationMs} onZoom={onZoom} syncKey="traffic" label="Latency percentiles over time" />
          <Legend items={PERCENTILES.map(([key, name, color]) => ({ name, color, note: durationMs(data.totals[key]) }))} />
        </>
      )}
    </Loaded>
  );
}
