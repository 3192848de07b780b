import { memo, useMemo, type JSX, type ReactNode } from 'react';
import { Link } from 'react-router';
import type { LogRow } from '../../api/types';
import { clock, dateTime } from '../../lib/format';
import { isComparable, type Condition } from '../../lib/conditions';
import { prettyBody, viewBody } from '../../lib/log-body';
import { dot, severityColor, severityOf } from '../../lib/palette';
import { around } from '../../lib/time-range';
import { linkTo } from '../../lib/url-state';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';

interface LineProps {
  row: LogRow;
  open: boolean;
  wrap: boolean;
  nowMs: number;
  /** What was searched for, to be marked. */
  searched?: RegExp | null;
  onToggle: (row: LogRow) => void;
  onFilter?: ((condition: Condition) => void) | undefined;
}

/** One log line; opened, everything that is known about it. */
export const LogLine = memo(function LogLine({ row, open, wrap, nowMs, searched = null, onToggle, onFilter }: LineProps): JSX.Element {
  const severity = severityOf(row.severity_number);
  const view = useMemo(() => viewBody(row.body), [row.body]);
  return (
    <div className={`line ${open ? 'open' : ''}`} style={dot(severityColor(severity))}>
      <div className="line-head" onClick={() => onToggle(row)}>
        <button type="button" className="line-time num" data-open aria-expanded={open} title={dateTime(row.ts)} onClick={(event) => { event.stopPropagation(); onToggle(row); }}>
          {clock(row.ts, nowMs)}
        </button>
        <span className={`line-sev sev-${severity}`}>{(row.severity_text ?? (severity === 'unspecified' ? '' : severity)).slice(0, 5)}</span>
        <span className="line-service truncate" title={row.service_name ?? ''}>
          {row.service_name ?? row.k8s_container_name ?? row.host_name ?? ''}
        </span>
        <span className={wrap ? 'line-body wrap' : 'line-body'}>
          {view.message === '' ? <i className="faint">empty line</i> : marked(view.message, searched)}
          {view.fields.map(([name, value]) => (
            <span key={name} className="line-field">
              {' '}
              <span className="faint">{name}=</span>
              {marked(value, searched)}
            </span>
          ))}
        </span>
        {row.trace_id && <span className="line-mark" title="Belongs to a trace"><Icon name="traces" size={13} /></span>}
      </div>
      {open && <Details row={row} onFilter={onFilter} />}
    </div>
  );
});

/** `text` with what was searched for standing out. */
function marked(text: string, searched: RegExp | null): ReactNode {
  if (!searched) return text;
  return text.split(searched).map((part, i) => (i % 2 === 1 ? <mark key={i}>{part}</mark> : part));
}

function Details({ row, onFilter }: { row: LogRow; onFilter: LineProps['onFilter'] }): JSX.Element {
  const near = around(row.ts, 15 * 60_000);
  const context = around(row.ts, 30_000);
  const place = { service: row.k8s_pod_name ? null : row.service_name, pod: row.k8s_pod_name, container: row.k8s_container_name };
  return (
    <div className="line-details">
      <pre className="line-full">{prettyBody(row.body)}</pre>
      <div className="row wrap-row">
        {row.trace_id && (
          <Link className="button small" to={linkTo(`/traces/${row.trace_id}`, new URLSearchParams(), { ...near, span: row.span_id })}>
            <Icon name="traces" size={13} /> Open trace
          </Link>
        )}
        {(row.k8s_pod_name ?? row.service_name) && (
          <Link className="button small" to={linkTo('/logs', new URLSearchParams(), { ...context, ...place })}>
            <Icon name="logs" size={13} /> Lines around it
          </Link>
        )}
        <CopyButton text={() => JSON.stringify(row, null, 2)} label="Copy as JSON" name="Copy this line as JSON" />
      </div>
      <table className="fields">
        <caption className="visually-hidden">Fields of this line</caption>
        <tbody>
          {fieldsOf(row).map(({ field, value, known }) => (
            <tr key={field}>
              <th scope="row">{field}</th>
              <td>
                <span className="field-value">{typeof value === 'string' ? value : JSON.stringify(value)}</span>
                {onFilter && known && isComparable(value) && (
                  <span className="field-actions">
                    <button type="button" className="button plain small icon" aria-label={`Filter for ${field}`} title="Only lines with this value" onClick={() => onFilter({ field, value, not: false })}>
                      <Icon name="plus" size={13} />
                    </button>
                    <button type="button" className="button plain small icon" aria-label={`Filter out ${field}`} title="Lines without this value" onClick={() => onFilter({ field, value, not: true })}>
                      <Icon name="minus" size={13} />
                    </button>
                    <CopyButton text={() => String(value)} name={`Copy ${field}`} />
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const COLUMNS = ['service_name', 'k8s_namespace_name', 'k8s_pod_name', 'k8s_container_name', 'host_name', 'event_name', 'trace_id', 'span_id', 'severity_text'] as const;

function fieldsOf(row: LogRow): { field: string; value: unknown; known: boolean }[] {
  const columns = COLUMNS.flatMap((field) => (row[field] === null ? [] : [{ field, value: row[field], known: true }]));
  const attributes = Object.entries(row.attributes).map(([key, value]) => ({ field: `attributes.${key}`, value, known: true }));
  const resource = Object.entries(row.resource).map(([key, value]) => ({ field: `resource.${key}`, value, known: true }));
  return [{ field: 'ts', value: row.ts, known: false }, ...columns, ...attributes, ...resource];
}
