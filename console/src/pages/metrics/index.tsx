import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo, type JSX } from 'react';
import { get } from '../../api/client';
import type { MetricName } from '../../api/types';
import { count } from '../../lib/format';
import { useRange, useUrl } from '../../lib/hooks';
import { Page } from '../../ui/page';
import { Empty, Loaded, Panel, Skeleton } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';
import { VirtualList } from '../../ui/virtual-list';
import { MetricView } from './view';
import '../../styles/metrics.css';

const MOST_NAMES = 1000;

export default function Metrics(): JSX.Element {
  const { params, set } = useUrl();
  const { range } = useRange();
  const q = params.get('q') ?? '';
  const name = params.get('name');
  const names = useQuery({
    queryKey: ['metric-names', q, range],
    queryFn: ({ signal }) => get<{ metrics: MetricName[] }>('/metrics/names', { q, ...range, limit: MOST_NAMES }, signal),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
  const rows = useMemo(() => names.data?.metrics ?? [], [names.data]);
  const metric = rows.find((row) => row.name === name);

  return (
    <Page title="Metrics" fixed>
      <div className="fill metrics-layout">
        <Panel className="lines metric-names" flush>
          <div className="metric-search">
            <SearchBox value={q} placeholder="Name of a metric" label="Search metrics" onChange={(text) => set({ q: text }, { replace: true })} />
          </div>
          <Loaded
            query={names}
            loading={<Skeleton lines={10} />}
            isEmpty={(data) => data.metrics.length === 0}
            empty={
              q ? (
                <Empty icon="search" title="No metric is called that">Any part of a name finds it.</Empty>
              ) : (
                <Empty icon="metrics" title="No metrics yet">Parapet measures this host and itself every few seconds, and takes metrics in by OTLP.</Empty>
              )
            }
          >
            {() => (
              <VirtualList
                rows={rows}
                rowKey={(row) => row.name}
                rowHeight={46}
                label="Metrics"
                render={(row) => (
                  <button type="button" className={row.name === name ? 'metric-row on' : 'metric-row'} data-open aria-pressed={row.name === name} onClick={() => set({ name: row.name, group_by: null })} title={row.description ?? undefined}>
                    <span className="mono truncate">{row.name}</span>
                    <span className="faint truncate">
                      {[row.kind, row.unit, row.series ? `${count(row.series)} series` : null].filter(Boolean).join(' · ')}
                    </span>
                  </button>
                )}
              />
            )}
          </Loaded>
        </Panel>
        {name ? (
          <MetricView key={name} name={name} description={metric?.description ?? null} />
        ) : (
          <Panel>
            <Empty icon="metrics" title="Choose a metric">
              Its chart appears here: gauges as their mean, counters as their rate per second, histograms as the mean of what they measured.
            </Empty>
          </Panel>
        )}
      </div>
    </Page>
  );
}
