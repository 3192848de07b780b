import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo, useState, type JSX } from 'react';
import { get, post } from '../../api/client';
import type { MetricSeries, SqlResult } from '../../api/types';
import { withUnit } from '../../lib/format';
import { useRange, useUrl } from '../../lib/hooks';
import { dot, hue } from '../../lib/palette';
import { summary } from '../../lib/series';
import { absolute } from '../../lib/time-range';
import { FieldFilter } from '../logs/filters';
import { Empty, Loaded, Panel, Skeleton } from '../../ui/panel';
import { numbers, Table } from '../../ui/table';
import { TimeChart } from '../../ui/time-chart';

const HEIGHT = 320;
/** More lines than this can't be told apart; the table below lists them all. */
const DRAWN = 24;

/** What a point of the chart is, by the metric's kind. */
const MEANING: Record<string, string> = {
  gauge: 'Gauge: its mean in each interval.',
  sum: 'Sum: its rate per second where it only rises, otherwise its value.',
  histogram: 'Histogram: the mean of what was measured in each interval.',
  exponential_histogram: 'Histogram: the mean of what was measured in each interval.',
  summary: 'Summary: the mean of what was measured in each interval.',
};

/** One metric over time, split by an attribute if wished. */
export function MetricView({ name, description }: { name: string; description: string | null }): JSX.Element {
  const { params, set } = useUrl();
  const { range, refetchInterval } = useRange();
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const groupBy = params.get('group_by');
  const service = params.get('service');
  const query = useQuery({
    queryKey: ['metric-series', name, range, groupBy, service],
    queryFn: ({ signal }) => get<MetricSeries>('/metrics/series', { name, ...range, buckets: 120, group_by: groupBy, service }, signal),
    refetchInterval,
    placeholderData: keepPreviousData,
  });
  const keys = useAttributeKeys(name);

  const all = useMemo(
    () =>
      (query.data?.series ?? []).map((series, i) => {
        const label = Object.entries(series.labels).map(([, value]) => value ?? 'none').join(', ') || name;
        const values = series.points.map(([, value]) => value);
        return { name: label, color: hue(i), values, ...summary(values) };
      }),
    [query.data, name],
  );
  const times = useMemo(() => (query.data?.series[0]?.points ?? []).map(([ts]) => Date.parse(ts)), [query.data]);
  const drawn = useMemo(() => all.filter((series) => !hidden.has(series.name)).slice(0, DRAWN), [all, hidden]);
  const unit = query.data?.unit ?? null;
  const format = (value: number | null): string => withUnit(value, unit);

  return (
    <Panel
      title={<span className="mono">{name}</span>}
      sub={description ?? ''}
      className="metric-view"
      actions={
        <>
          <FieldFilter field="service_name" label="Service" value={service} params={{ ...range }} onChange={(value) => set({ service: value })} />
          <GroupBy value={groupBy} keys={keys} onChange={(value) => set({ group_by: value })} />
        </>
      }
    >
      <Loaded
        query={query}
        loading={<Skeleton height={HEIGHT} />}
        isEmpty={(data) => data.series.every((series) => series.points.every(([, value]) => value === null))}
        empty={<Empty icon="metrics" title="No points in this range">This metric was measured at other times. Widen the range.</Empty>}
      >
        {(data) => (
          <>
            <TimeChart times={times} series={drawn} shape={drawn.length === 1 ? 'area' : 'lines'} intervalMs={data.interval_seconds * 1000} height={HEIGHT} format={format} binary={unit?.startsWith('By') ?? false} onZoom={(from, to) => set(absolute(from, to))} label={`${name} over time`} />
            <p className="hint">{MEANING[data.kind ?? ''] ?? ''}</p>
            <div className="metric-legend">
              <Table columns={[groupBy ?? 'Series', numbers('Last'), numbers('Mean'), numbers('Least'), numbers('Most')]}>
                {all.map((series) => (
                  <tr key={series.name} className={hidden.has(series.name) ? 'link dimmed' : 'link'} onClick={() => setHidden(toggled(hidden, series.name))}>
                    <td>
                      <button type="button" className="rowbutton row" aria-pressed={!hidden.has(series.name)}>
                        <i className="swatch" style={dot(series.color)} /> <span className="truncate">{series.name}</span>
                      </button>
                    </td>
                    <td className="right">{format(series.last)}</td>
                    <td className="right">{format(series.mean)}</td>
                    <td className="right">{format(series.least)}</td>
                    <td className="right">{format(series.most)}</td>
                  </tr>
                ))}
              </Table>
            </div>
          </>
        )}
      </Loaded>
    </Panel>
  );
}

/** Known of every point, wherever it comes from. */
const COLUMNS = ['service_name', 'host_name', 'k8s_namespace_name', 'k8s_pod_name', 'k8s_container_name'];

function GroupBy({ value, keys, onChange }: { value: string | null; keys: string[]; onChange: (value: string | null) => void }): JSX.Element {
  const choices = [...new Set([...(value ? [value] : []), ...keys, ...COLUMNS])];
  return (
    <select className="select" aria-label="Group by" value={value ?? ''} onChange={(event) => onChange(event.target.value)}>
      <option value="">All together</option>
      {choices.map((key) => (
        <option key={key} value={key}>
          by {key}
        </option>
      ))}
    </select>
  );
}

const SAMPLED_POINTS = 200;

/** The attributes that this metric's newest points have, to group by; none if that can't be told. */
function useAttributeKeys(name: string): string[] {
  const sample = useQuery({
    queryKey: ['metric-attributes', name],
    queryFn: ({ signal }) => post<SqlResult>('/sql', { query: `SELECT attributes FROM metrics WHERE name = '${name.replaceAll("'", "''")}' ORDER BY ts DESC LIMIT ${SAMPLED_POINTS}`, max_rows: SAMPLED_POINTS }, signal),
    staleTime: 300_000,
    retry: false,
  });
  return useMemo(() => {
    const keys = new Set<string>();
    for (const [cell] of sample.data?.rows ?? []) {
      const attributes: unknown = typeof cell === 'string' ? parsed(cell) : cell;
      if (typeof attributes === 'object' && attributes !== null) Object.keys(attributes).forEach((key) => keys.add(key));
    }
    return [...keys].sort();
  }, [sample.data]);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function toggled(set: ReadonlySet<string>, item: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(item)) next.add(item);
  return next;
}
