import { useQuery } from '@tanstack/react-query';
import { useState, type JSX } from 'react';
import { Link } from 'react-router';
import { get } from '../../api/client';
import type { TrafficEvent, TrafficLeg } from '../../api/types';
import { bytes, dateTime, durationMs } from '../../lib/format';
import { at, parseHeaders, textAt } from '../../lib/http-headers';
import { dot, statusClass, statusColor } from '../../lib/palette';
import { useUrl } from '../../lib/hooks';
import { absolute } from '../../lib/time-range';
import { linkTo } from '../../lib/url-state';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { Drawer } from '../../ui/overlay';
import { Empty, Loaded, Panel, Skeleton } from '../../ui/panel';
import { StatusBadge } from './events';
import { Policies } from './policies';

/** Everything known of one request: its legs in time, policies, headers, and the way to its logs and its trace. */
export function EventDrawer({ correlationId, onClose }: { correlationId: string; onClose: () => void }): JSX.Element {
  const query = useQuery({
    queryKey: ['traffic-event', correlationId],
    queryFn: ({ signal }) => get<TrafficEvent>(`/traffic/events/${encodeURIComponent(correlationId)}`, {}, signal),
    // Legs and policies may still be on their way.
    refetchInterval: (state) => (state.state.data && state.state.data.summary === null ? 3000 : false),
  });
  const client = query.data?.legs.find((leg) => leg.leg === 0) ?? query.data?.legs[0];
  return (
    <Drawer
      name="API event"
      title={client ? `${client.http_method ?? ''} ${client.path ?? correlationId}` : correlationId}
      actions={query.data && <Ways event={query.data} />}
      onClose={onClose}
    >
      <Loaded query={query} loading={<Skeleton lines={12} />}>
        {(event) => (
          <>
            <Summary event={event} client={client} />
            <Legs legs={event.legs} />
            <Panel title="Policies" sub="what it went through, and how long each took">
              {event.circuit_path && event.circuit_path.length > 0 ? <Policies nodes={event.circuit_path} /> : <Empty title="No policies logged">The gateway wrote no circuit path for this request.</Empty>}
            </Panel>
          </>
        )}
      </Loaded>
    </Drawer>
  );
}

/** Links to what else is known of the same moment. */
function Ways({ event }: { event: TrafficEvent }): JSX.Element {
  const starts = event.legs.map((leg) => Date.parse(leg.ts));
  if (event.summary) starts.push(Date.parse(textAt(event.summary, 'ts') ?? ''));
  const known = starts.filter((at) => !Number.isNaN(at));
  const near = known.length > 0 ? absolute(Math.min(...known) - 5 * 60_000, Math.max(...known) + 5 * 60_000) : {};
  const traceId = event.trace_ids[0];
  const none = new URLSearchParams();
  return (
    <>
      <Link className="button small" to={linkTo('/logs', none, { ...near, ...(traceId ? { trace_id: traceId } : { q: event.correlation_id }) })}>
        <Icon name="logs" size={13} /> Logs
      </Link>
      {traceId && (
        <Link className="button small" to={linkTo(`/traces/${traceId}`, none, near)}>
          <Icon name="traces" size={13} /> Trace
        </Link>
      )}
      <CopyButton text={() => JSON.stringify(event, null, 2)} name="Copy this event as JSON" />
    </>
  );
}

function Summary({ event, client }: { event: TrafficEvent; client: TrafficLeg | undefined }): JSX.Element {
  const context = (name: string): string | null => textAt(event.summary, name);
  const { link } = useUrl();
  const facts: [name: string, value: string | null, parameter?: string][] = [
    ['API', context('service') ?? client?.service ?? null, 'service'],
    ['Operation', context('operation') ?? client?.operation ?? null],
    ['Application', context('app'), 'app'],
    ['Organisation', context('app_org')],
    ['Protocol', context('protocol')],
    ['Gateway', context('gateway_name'), 'gateway'],
    ['Region', context('gateway_region')],
    ['Client', client?.remote_addr ?? null],
    ['Time', client ? dateTime(client.ts) : null],
    ['Correlation id', event.correlation_id],
    ['Trace id', event.trace_ids.join(', ') || null],
  ];
  return (
    <Panel>
      <div className="row event-headline">
        <StatusBadge status={client?.http_status ?? null} finalStatus={client?.final_status ?? null} />
        <span>{client?.final_status ?? context('final_status') ?? ''}</span>
        <span className="faint">·</span>
        <b className="num">{durationMs(client?.duration_ms)}</b>
        <span className="faint">·</span>
        <span className="muted num">
          {bytes(client?.bytes_received)} in, {bytes(client?.bytes_sent)} out
        </span>
      </div>
      <dl className="kv facts">
        {facts.map(([name, value, parameter]) =>
          value ? (
            <div className="pair" key={name}>
              <dt>{name}</dt>
              <dd className={name.endsWith('id') ? 'mono' : ''}>
                {parameter ? (
                  <Link title={`Traffic of this ${name === 'API' ? name : name.toLowerCase()} only`} to={link('/traffic', { [parameter]: value })}>
                    {value}
                  </Link>
                ) : (
                  value
                )}
              </dd>
            </div>
          ) : null,
        )}
      </dl>
    </Panel>
  );
}

function Legs({ legs }: { legs: TrafficLeg[] }): JSX.Element {
  const [open, setOpen] = useState<number | null>(0);
  const ends = legs.map((leg) => ({ from: legStart(leg), to: legStart(leg) + (leg.duration_ms ?? 0) }));
  const first = Math.min(...ends.map((leg) => leg.from));
  const whole = Math.max(...ends.map((leg) => leg.to)) - first || 1;
  if (legs.length === 0) return <Panel title="Legs"><Empty title="No legs logged">The gateway wrote only the summary of this request.</Empty></Panel>;
  return (
    <Panel title="Legs" sub="the client’s request, and the calls to back ends" flush>
      <ul className="legs">
        {[...legs].sort((a, b) => a.leg - b.leg).map((leg) => {
          const from = legStart(leg);
          const shown = open === leg.leg;
          return (
            <li key={leg.leg}>
              <button type="button" className="leg" aria-expanded={shown} onClick={() => setOpen(shown ? null : leg.leg)}>
                <span className="faint">{leg.leg === 0 ? 'client' : `back end ${leg.leg}`}</span>
                <StatusBadge status={leg.http_status} finalStatus={leg.final_status} />
                <span className="mono truncate">
                  {leg.http_method} {leg.path}
                </span>
                <span className="leg-track">
                  <i style={{ ...dot(statusColor(statusClass(leg.http_status))), left: `${(100 * (from - first)) / whole}%`, width: `${Math.max((100 * (leg.duration_ms ?? 0)) / whole, 0.6)}%` }} />
                </span>
                <span className="num right">{durationMs(leg.duration_ms)}</span>
              </button>
              {shown && <LegDetails leg={leg} />}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

/** The gateway stamps a leg when it starts. */
function legStart(leg: TrafficLeg): number {
  return Date.parse(leg.ts);
}

function LegDetails({ leg }: { leg: TrafficLeg }): JSX.Element {
  // The whole line may be kept, or only what is inside it.
  const info = at(leg.event, 'transactionElement', 'protocolInfo') ?? at(leg.event, 'protocolInfo') ?? leg.event;
  const atClient = leg.leg === 0;
  const blocks = [
    { title: 'Request', text: at(info, atClient ? 'recvHeader' : 'sentHeader') },
    { title: 'Response', text: at(info, atClient ? 'sentHeader' : 'recvHeader') },
  ];
  return (
    <div className="leg-details">
      <dl className="kv">
        <Fact name="Remote" value={leg.remote_addr} />
        <Fact name="Bytes" value={`${bytes(leg.bytes_received)} in, ${bytes(leg.bytes_sent)} out`} />
        <Fact name="Status" value={leg.final_status} />
        <Fact name="Subject" value={textAt(info, 'http', 'authSubjectId')} />
        <Fact name="Virtual host" value={textAt(info, 'http', 'vhost')} />
      </dl>
      <div className="headers">
        {blocks.map(({ title, text }) => {
          const headers = parseHeaders(text);
          return (
            <section key={title}>
              <h3>{title}</h3>
              {headers ? (
                <>
                  <div className="mono start-line">{headers.start}</div>
                  <dl className="kv header-fields">
                    {headers.fields.map(([name, value], i) => (
                      <div className="pair" key={i}>
                        <dt className="mono">{name}</dt>
                        <dd className="mono">{value}</dd>
                      </div>
                    ))}
                  </dl>
                </>
              ) : (
                <p className="faint">Headers were not logged.</p>
              )}
            </section>
          );
        })}
      </div>
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string | null }): JSX.Element | null {
  return value ? (
    <div className="pair">
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  ) : null;
}
