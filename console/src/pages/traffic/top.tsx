import type { UseQueryResult } from '@tanstack/react-query';
import type { CSSProperties, JSX } from 'react';
import type { TrafficOverview } from '../../api/types';
import { count, durationMs, percent } from '../../lib/format';
import { dot, statusClass, statusColor } from '../../lib/palette';
import { Empty, Loaded, Skeleton } from '../../ui/panel';
import { numbers, Table } from '../../ui/table';

interface TopTableProps {
  overview: UseQueryResult<TrafficOverview>;
  of: 'top_services' | 'top_operations' | 'top_apps';
  heading: string;
  chosen: string | null;
  onPick: (name: string | null) => void;
}

/** The most frequent values of one dimension; a click narrows the page to one, a second click widens it again. */
export function TopTable({ overview, of, heading, chosen, onPick }: TopTableProps): JSX.Element {
  return (
    <Loaded query={overview} loading={<Skeleton lines={6} />} isEmpty={(data) => data[of].length === 0} empty={<Empty title="Nothing to rank yet">Rows appear with the first requests of this range.</Empty>}>
      {(data) => {
        const most = Math.max(...data[of].map((row) => row.requests), 1);
        // Only some lines of a gateway's log say how long a request took.
        const timed = data[of].some((row) => row.p95_ms !== null);
        return (
          <Table className="top" columns={[heading, numbers('Requests'), numbers('Errors'), ...(timed ? [numbers('p95')] : [])]}>
            {data[of].slice(0, 8).map((row) => {
              const on = row.name !== null && row.name === chosen;
              return (
                <tr key={row.name ?? ''} className={on ? 'link on' : 'link'} onClick={() => onPick(on ? null : row.name)}>
                  <td className="name-cell">
                    <button type="button" className="rowbutton cellbar truncate" aria-pressed={on} title={row.name ?? ''} style={{ '--share': `${(100 * row.requests) / most}%` } as CSSProperties}>
                      {row.name || <span className="faint">none</span>}
                    </button>
                  </td>
                  <td className="right">{count(row.requests)}</td>
                  <td className={row.errors === 0 ? 'right faint' : 'right bad'}>{row.errors === 0 ? '0' : percent(row.errors, row.requests)}</td>
                  {timed && <td className="right">{durationMs(row.p95_ms)}</td>}
                </tr>
              );
            })}
          </Table>
        );
      }}
    </Loaded>
  );
}

interface StatusCodesProps {
  overview: UseQueryResult<TrafficOverview>;
  chosen: string | null;
  onPick: (statusClass: string | null) => void;
}

/** All status codes as parts of one bar. */
export function StatusCodes({ overview, chosen, onPick }: StatusCodesProps): JSX.Element {
  return (
    <Loaded query={overview} loading={<Skeleton height={40} />} isEmpty={(data) => data.status_codes.length === 0} empty={<p className="faint">No status codes in this range yet.</p>}>
      {(data) => {
        const codes = [...data.status_codes].sort((a, b) => (a.status ?? 0) - (b.status ?? 0));
        const all = codes.reduce((sum, code) => sum + code.requests, 0);
        return (
          <>
            <div className="meter tall" aria-hidden="true">
              {codes.map((code) => (
                <i key={code.status} style={{ ...dot(statusColor(statusClass(code.status))), width: `${(100 * code.requests) / all}%` }} />
              ))}
            </div>
            <ul className="code-list">
              {codes.map((code) => {
                const of = statusClass(code.status);
                return (
                  <li key={code.status}>
                    <button type="button" className="code" aria-pressed={chosen === of} title={`Only events with ${of}`} onClick={() => onPick(chosen === of ? null : of)}>
                      <i className="swatch" style={dot(statusColor(of))} />
                      <b>{code.status || 'none'}</b> <span className="num">{count(code.requests)}</span> <span className="faint num">{percent(code.requests, all)}</span>
                    </button>
                  </li>
                );
              })}
            </ul>
          </>
        );
      }}
    </Loaded>
  );
}
