import { useState, type FormEvent, type JSX } from 'react';
import { useIsFetching, useQueryClient } from '@tanstack/react-query';
import { refreshAll } from '../api/queries';
import { useRange, useUrl } from '../lib/hooks';
import { dateTime } from '../lib/format';
import { describe, isRelative, normalizeBound, parseBound, PRESETS, problemWith, type TimeRange } from '../lib/time-range';
import { DEFAULT_REFRESH_SECONDS, REFRESH_CHOICES, refreshSeconds } from '../lib/url-state';
import { Icon } from './icons';
import { Popover } from './overlay';

/** The range of time and how often it is refreshed; both live in the URL. */
export function TimePicker(): JSX.Element {
  const { params, set } = useUrl();
  const { range } = useRange();
  const client = useQueryClient();
  const fetching = useIsFetching() > 0;
  const refresh = refreshSeconds(params);
  const moving = isRelative(range);

  return (
    <div className="row">
      <Popover
        name="Time range"
        align="right"
        label={
          <>
            <Icon name="clock" size={15} />
            <span className="num">{describe(range)}</span>
            <Icon name="down" size={13} />
          </>
        }
      >
        {(close) => (
          <div className="time-menu">
            <div role="menu" aria-label="Relative ranges">
              {PRESETS.map((preset) => (
                <button
                  key={preset.from}
                  type="button"
                  className="menu-item"
                  role="menuitemradio"
                  aria-checked={range.to === 'now' && range.from === preset.from}
                  onClick={() => {
                    set({ from: preset.from, to: null });
                    close();
                  }}
                >
                  {preset.label}
                </button>
              ))}
            </div>
            <CustomRange
              range={range}
              onApply={(next) => {
                set({ from: next.from, to: next.to });
                close();
              }}
            />
          </div>
        )}
      </Popover>
      <div className="row refresh">
        <button type="button" className="button icon" aria-label="Refresh now" title="Refresh now (r)" onClick={() => void refreshAll(client)}>
          <span className={fetching ? 'spinning' : ''}>
            <Icon name="refresh" size={15} />
          </span>
        </button>
        <select
          className="select"
          aria-label="Refresh by itself"
          title={moving ? 'Refresh by itself' : 'A fixed range does not move'}
          disabled={!moving}
          value={moving ? refresh : 0}
          onChange={(event) => set({ refresh: Number(event.target.value) === DEFAULT_REFRESH_SECONDS ? null : event.target.value })}
        >
          {REFRESH_CHOICES.map((seconds) => (
            <option key={seconds} value={seconds}>
              {seconds === 0 ? 'Off' : `${seconds} s`}
            </option>
          ))}
        </select>
      </div>
    </div>
  );
}

function CustomRange({ range, onApply }: { range: TimeRange; onApply: (range: TimeRange) => void }): JSX.Element {
  const [from, setFrom] = useState(() => editable(range.from));
  const [to, setTo] = useState(() => editable(range.to));
  const [problem, setProblem] = useState<string | null>(null);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const now = Date.now();
    const next = { from: normalizeBound(from, now), to: normalizeBound(to, now) };
    const found = problemWith(next, now);
    setProblem(found);
    if (found === null) onApply(next);
  };

  return (
    <form onSubmit={submit} className="stack custom-range">
      <div className="field">
        <label htmlFor="range-from">From</label>
        <input id="range-from" className="input" value={from} onChange={(event) => setFrom(event.target.value)} />
      </div>
      <div className="field">
        <label htmlFor="range-to">To</label>
        <input id="range-to" className="input" value={to} onChange={(event) => setTo(event.target.value)} />
      </div>
      {problem ? (
        <p className="bad" role="alert">
          {problem}
        </p>
      ) : (
        <p className="hint">now-2h, now, or a local time like 2026-01-31 09:00</p>
      )}
      <button type="submit" className="button primary">
        Apply
      </button>
    </form>
  );
}

function editable(bound: string): string {
  if (bound.startsWith('now')) return bound;
  return parseBound(bound, 0) === null ? bound : dateTime(bound);
}
