import type { UseQueryResult } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import { Link } from 'react-router';
import type { Status } from '../../api/types';
import { ago, count, exact, perSecond } from '../../lib/format';
import { useNow, useUrl } from '../../lib/hooks';
import { Loaded, Panel, Skeleton } from '../../ui/panel';
import { Sparkline } from '../../ui/sparkline';

const SIGNALS: Record<string, { label: string; path: string; color: string; unit: string }> = {
  logs: { label: 'Logs', path: '/logs', color: 'var(--data-a)', unit: 'lines' },
  spans: { label: 'Traces', path: '/traces', color: 'var(--data-b)', unit: 'spans' },
  metrics: { label: 'Metrics', path: '/explore', color: 'var(--data-c)', unit: 'points' },
  traffic: { label: 'Traffic', path: '/traffic', color: 'var(--data-d)', unit: 'events' },
};

/** Rates are remembered for this many refreshes, while the page stays open. */
const REMEMBERED = 100;

interface History {
  at: number;
  rates: Record<string, number[]>;
}

/** What comes in, signal by signal: how fast, how much, how lately, and how much of it was refused. */
export function SignalCards({ status }: { status: UseQueryResult<Status> }): JSX.Element {
  const now = useNow();
  const { link } = useUrl();
  const [history, setHistory] = useState<History>({ at: 0, rates: {} });
  if (status.data && status.dataUpdatedAt !== history.at) {
    const rates = Object.fromEntries(status.data.signals.map(({ signal, rows_per_second }) => [signal, [...(history.rates[signal] ?? []), rows_per_second].slice(-REMEMBERED)]));
    setHistory({ at: status.dataUpdatedAt, rates });
  }
  return (
    <Loaded
      query={status}
      loading={
        <div className="grid">
          {Object.keys(SIGNALS).map((signal) => (
            <Panel key={signal} className="span-3">
              <Skeleton height={86} />
            </Panel>
          ))}
        </div>
      }
    >
      {(data) => (
        <div className="grid">
          {data.signals.map((signal) => {
            const known = SIGNALS[signal.signal] ?? { label: signal.signal, path: '/sql', color: 'var(--data-h)', unit: 'rows' };
            const refused = signal.refused.reduce((sum, item) => sum + item.rows, 0);
            return (
              <Panel key={signal.signal} className="span-3 signal-card">
                <Link className="signal" to={link(known.path)}>
                  <span className="row">
                    <b>{known.label}</b>
                    <span className="grow" />
                    {refused > 0 && <span className="badge warn num">{count(refused)} refused</span>}
                  </span>
                  <span className="value num">{perSecond(signal.rows_per_second)}</span>
                  <Sparkline values={history.rates[signal.signal] ?? []} color={known.color} />
                  <span className="row note num">
                    <span title={exact(signal.rows_total)}>
                      {count(signal.rows_total)} {known.unit}
                    </span>
                    <span className="grow" />
                    <span title="When the newest of them happened">{signal.last_ts ? ago(signal.last_ts, now) : 'nothing yet'}</span>
                  </span>
                </Link>
              </Panel>
            );
          })}
        </div>
      )}
    </Loaded>
  );
}
