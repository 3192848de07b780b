import { keepPreviousData, useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useMemo, type JSX } from 'react';
import { Link } from 'react-router';
import { get } from '../../api/client';
import { statusQuery } from '../../api/queries';
import type { LogHistogram, Status, TrafficOverview } from '../../api/types';
import { count, durationMs, percent, seconds, versionName } from '../../lib/format';
import { useNow, useRange, useUrl } from '../../lib/hooks';
import { severityColor, STATUS_CLASSES, statusColor } from '../../lib/palette';
import { absolute } from '../../lib/time-range';
import { Page } from '../../ui/page';
import { Empty, Loaded, Panel, Skeleton } from '../../ui/panel';
import { Legend, TimeChart } from '../../ui/time-chart';
import { Certificates, Losses, Receivers, Sources, Storage } from './pipeline';
import { Secrets } from './secrets';
import { SignalCards } from './signals';
import '../../styles/overview.css';

const STATUS_EVERY_MS = 3000;

export default function Overview(): JSX.Element {
  const status = useQuery({ ...statusQuery, refetchInterval: STATUS_EVERY_MS });
  return (
    <Page title="Overview" lead={<Running status={status} />}>
      {status.data?.store.failed && (
        <div className="problem" role="alert">
          <b>The store has failed and takes nothing in:</b> {status.data.store.failed}
        </div>
      )}
      <SignalCards status={status} />
      <div className="grid">
        <TrafficGlance />
        <LogsGlance />
        <Sources status={status} className="span-8" />
        <Losses status={status} className="span-4" />
        <Receivers status={status} className="span-8" />
        <Certificates status={status} className="span-4" />
        <Secrets status={status} className="span-12" />
        <Storage status={status} className="span-12" />
      </div>
    </Page>
  );
}

function Running({ status }: { status: UseQueryResult<Status> }): JSX.Element | null {
  const now = useNow();
  if (!status.data) return null;
  return (
    <span className="faint num">
      {versionName(status.data.version)} · up {seconds(Math.max((now - Date.parse(status.data.started_at)) / 1000, 0))}
    </span>
  );
}

const HEIGHT = 150;

function TrafficGlance(): JSX.Element {
  const { set, link } = useUrl();
  const { range, refetchInterval } = useRange();
  const query = useQuery({
    queryKey: ['traffic-overview', range],
    queryFn: ({ signal }) => get<TrafficOverview>('/traffic/overview', { ...range, buckets: 60 }, signal),
    refetchInterval,
    placeholderData: keepPreviousData,
  });
  const chart = useMemo(() => {
    const buckets = query.data?.buckets ?? [];
    const classes = STATUS_CLASSES.filter((of) => buckets.some((bucket) => (bucket.by_class[of] ?? 0) > 0));
    return {
      times: buckets.map((bucket) => Date.parse(bucket.ts)),
      series: classes.map((of) => ({ name: of, color: statusColor(of), values: buckets.map((bucket) => bucket.by_class[of] ?? 0) })),
    };
  }, [query.data]);
  const totals = query.data?.totals;
  return (
    <Panel
      title="API traffic"
      sub={totals ? `${count(totals.requests)} requests, ${percent(totals.errors, totals.requests)} errors, p95 ${durationMs(totals.p95_ms)}` : ''}
      className="span-6"
      actions={
        <Link className="button small" to={link('/traffic')}>
          Open
        </Link>
      }
    >
      <Loaded query={query} loading={<Skeleton height={HEIGHT} />} isEmpty={(data) => data.totals.requests === 0} empty={<Empty icon="traffic" title="No traffic in this range yet">Parapet reads gateway event logs given by --open-traffic; or try --demo.</Empty>}>
        {(data) => (
          <>
            <TimeChart {...chart} shape="bars" intervalMs={data.interval_seconds * 1000} height={HEIGHT} format={count} syncKey="overview" onZoom={(from, to) => set(absolute(from, to))} label="Requests over time by status class" />
            <Legend items={chart.series} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}

function LogsGlance(): JSX.Element {
  const { set, link } = useUrl();
  const { range, refetchInterval } = useRange();
  const query = useQuery({
    queryKey: ['logs-histogram', range],
    queryFn: ({ signal }) => get<LogHistogram>('/logs/histogram', { ...range, buckets: 60 }, signal),
    refetchInterval,
    placeholderData: keepPreviousData,
  });
  const chart = useMemo(() => {
    const buckets = query.data?.buckets ?? [];
    const names = [...(query.data?.series ?? [])].reverse();
    return {
      times: buckets.map((bucket) => Date.parse(bucket.ts)),
      series: names.map((name) => ({ name: name.toLowerCase(), color: severityColor(name), values: buckets.map((bucket) => bucket.counts[name] ?? 0) })),
      lines: buckets.reduce((sum, bucket) => sum + Object.values(bucket.counts).reduce((a, b) => a + b, 0), 0),
    };
  }, [query.data]);
  return (
    <Panel
      title="Log lines"
      sub={query.data ? `${count(chart.lines)} by severity` : ''}
      className="span-6"
      actions={
        <Link className="button small" to={link('/logs')}>
          Open
        </Link>
      }
    >
      <Loaded query={query} loading={<Skeleton height={HEIGHT} />} isEmpty={() => chart.lines === 0} empty={<Empty icon="logs" title="No logs in this range yet">Parapet reads container logs below /var/log/pods, files given by --logs, and what arrives by OTLP.</Empty>}>
        {(data) => (
          <>
            <TimeChart {...chart} shape="bars" intervalMs={data.interval_seconds * 1000} height={HEIGHT} format={count} syncKey="overview" onZoom={(from, to) => set(absolute(from, to))} label="Log lines over time by severity" />
            <Legend items={chart.series} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}
