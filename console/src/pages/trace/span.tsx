import { useState, type JSX } from 'react';
import { Link } from 'react-router';
import type { Attributes } from '../../api/types';
import { formatCondition, isComparable } from '../../lib/conditions';
import { dateTime, durationNs, percent } from '../../lib/format';
import { useUrl } from '../../lib/hooks';
import { at, textAt } from '../../lib/http-headers';
import { dot } from '../../lib/palette';
import { isError, type WaterfallRow } from '../../lib/waterfall';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { Contained } from '../../ui/panel';

/** Everything known of one span, beside the waterfall. */
export function SpanDetails({ row, color, onClose }: { row: WaterfallRow; color: string; onClose: () => void }): JSX.Element {
  const { span } = row;
  const [filter, setFilter] = useState('');
  return (
    <aside className="panel span-details" aria-label="Span">
      <header>
        <i className="swatch" style={dot(color)} />
        <h2 className="truncate" title={span.name}>
          {span.name}
        </h2>
        <span className="grow" />
        <CopyButton text={() => JSON.stringify(span, null, 2)} name="Copy this span as JSON" />
        <button type="button" className="button plain small icon" aria-label="Close the span" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <Contained>
        <div className="body">
          {isError(span) && (
            <div className="problem" role="note">
              <Icon name="alert" />
              <span>{span.status_message ?? 'This span ended with an error.'}</span>
            </div>
          )}
          <dl className="kv">
            <Pair name="Service" value={span.service_name} />
            <Pair name="Duration" value={durationNs(span.duration_ns)} />
            <Pair name="Own time" value={`${durationNs(row.selfUs * 1000)} (${percent(row.selfUs, row.durationUs)})`} />
            <Pair name="Starts" value={`${row.startUs === 0 ? 'with the trace' : `${durationNs(row.startUs * 1000)} after the trace`}, ${dateTime(span.ts)}`} />
            <Pair name="Kind" value={span.kind?.toLowerCase() ?? null} />
            <Pair name="Scope" value={span.scope_name} />
            <Pair name="Span id" value={span.span_id} mono />
          </dl>
          <input className="input" placeholder="Filter attributes" aria-label="Filter attributes" value={filter} onChange={(event) => setFilter(event.target.value)} />
          <AttributeList title="Attributes" column="attributes" attributes={span.attributes} filter={filter} />
          <Events events={span.events} />
          <Links links={span.links} />
          <AttributeList title="Resource" column="resource" attributes={span.resource} filter={filter} />
        </div>
      </Contained>
    </aside>
  );
}

function Pair({ name, value, mono = false }: { name: string; value: string | null; mono?: boolean }): JSX.Element | null {
  return value ? (
    <div className="pair">
      <dt>{name}</dt>
      <dd className={mono ? 'mono' : ''}>{value}</dd>
    </div>
  ) : null;
}

interface AttributeListProps {
  title: string;
  column: 'attributes' | 'resource';
  attributes: Attributes;
  filter: string;
}

function AttributeList({ title, column, attributes, filter }: AttributeListProps): JSX.Element | null {
  const { link } = useUrl();
  const wanted = filter.toLowerCase();
  const shown = Object.entries(attributes).filter(([key, value]) => `${key} ${text(value)}`.toLowerCase().includes(wanted));
  if (shown.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <dl className="attributes">
        {shown.map(([key, value]) => (
          <div key={key}>
            <dt className="mono">{key}</dt>
            <dd className="mono">
              {text(value)}
              {isComparable(value) && (
                <span className="field-actions">
                  <Link className="button plain small icon" aria-label={`Traces with this ${key}`} title="Traces with a span that has this value" to={link('/traces', { where: [formatCondition({ field: `${column}.${key}`, value, not: false })] })}>
                    <Icon name="traces" size={13} />
                  </Link>
                </span>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Events({ events }: { events: unknown[] }): JSX.Element | null {
  if (events.length === 0) return null;
  return (
    <section>
      <h3>Events</h3>
      {events.map((event, i) => (
        <div key={i} className="span-event">
          <b>{textAt(event, 'name') ?? 'event'}</b>
          <dl className="attributes">
            {Object.entries((at(event, 'attributes') ?? {}) as Attributes).map(([key, value]) => (
              <div key={key}>
                <dt className="mono">{key}</dt>
                <dd className="mono">{text(value)}</dd>
              </div>
            ))}
          </dl>
        </div>
      ))}
    </section>
  );
}

function Links({ links }: { links: unknown[] }): JSX.Element | null {
  const traces = links.map((link) => textAt(link, 'trace_id') ?? textAt(link, 'traceId')).filter((id) => id !== null);
  if (traces.length === 0) return null;
  return (
    <section>
      <h3>Linked traces</h3>
      {traces.map((id, i) => (
        <Link key={i} className="mono" to={`/traces/${id}`}>
          {id}
        </Link>
      ))}
    </section>
  );
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
