import type { UseQueryResult } from '@tanstack/react-query';
import type { JSX, ReactNode } from 'react';
import type { Status } from '../../api/types';
import { bytes, count, dateTime, exact, seconds } from '../../lib/format';
import { useNow } from '../../lib/hooks';
import { dot } from '../../lib/palette';
import { Empty, Loaded, Panel } from '../../ui/panel';
import { numbers, Table } from '../../ui/table';

interface Props {
  status: UseQueryResult<Status>;
  className: string;
}

const LATE_SECONDS = 10;

/** Files that are read, and how far behind. */
export function Sources({ status, className }: Props): JSX.Element {
  return (
    <Panel title="Sources" sub="files that are followed; lag is what was written and not yet stored" className={className} flush>
      <Loaded query={status} isEmpty={(data) => data.sources.length === 0} empty={<Empty title="No files are followed yet">Container logs below /var/log/pods, --logs and --open-traffic files appear here once they exist.</Empty>}>
        {(data) => (
          <div className="scroll-x capped">
            <Table columns={['File', 'Kind', 'State', numbers('Lag'), numbers('Oldest unread')]}>
              {[...data.sources]
                .sort((a, b) => b.lag_bytes - a.lag_bytes)
                .map((source) => {
                  const age = source.oldest_unread_age_seconds ?? 0;
                  return (
                    <tr key={`${source.kind} ${source.path}`}>
                      <td className="path-cell truncate mono" title={source.path}>
                        <bdi>{source.path}</bdi>
                      </td>
                      <td className="muted nowrap">{words(source.kind)}</td>
                      <td>
                        <span className="row">
                          <i className="dot" style={dot(stateColor(source.state))} /> {words(source.state)}
                        </span>
                      </td>
                      <td className={source.lag_bytes > 0 ? 'right' : 'right faint'}>{bytes(source.lag_bytes)}</td>
                      <td className={age > LATE_SECONDS ? 'right bad' : age > 0 ? 'right' : 'right faint'}>{age > 0 ? seconds(age) : 'none'}</td>
                    </tr>
                  );
                })}
            </Table>
          </div>
        )}
      </Loaded>
    </Panel>
  );
}

function stateColor(state: string): string {
  switch (state) {
    case 'failing':
      return 'var(--data-5xx)';
    case 'waiting':
      return 'var(--data-4xx)';
    case 'idle':
    case 'reading':
      return 'var(--data-2xx)';
    default:
      return 'var(--data-other)';
  }
}

/** Everything that was not kept, and why. */
export function Losses({ status, className }: Props): JSX.Element {
  return (
    <Panel title="Losses by reason" className={className} flush>
      <Loaded query={status}>
        {(data) => {
          const losses = [
            ...data.signals.flatMap((signal) => signal.refused.map(({ reason, rows }) => ({ where: signal.signal, reason, amount: rows }))),
            ...data.receivers.flatMap((receiver) => receiver.refused.map(({ reason, count: amount }) => ({ where: receiver.name, reason, amount }))),
          ].filter((loss) => loss.amount > 0);
          if (losses.length === 0) return <Empty icon="check" title="Nothing was lost">Refusals are counted here by reason: too old, too large, no token.</Empty>;
          return (
            <Table columns={['Reason', 'Where', numbers('Count')]}>
              {losses
                .sort((a, b) => b.amount - a.amount)
                .map((loss) => (
                  <tr key={`${loss.where} ${loss.reason}`}>
                    <td>{words(loss.reason)}</td>
                    <td className="muted">{loss.where}</td>
                    <td className="right warn" title={exact(loss.amount)}>
                      {count(loss.amount)}
                    </td>
                  </tr>
                ))}
            </Table>
          );
        }}
      </Loaded>
    </Panel>
  );
}

/** What listens, and how much it took. */
export function Receivers({ status, className }: Props): JSX.Element {
  return (
    <Panel title="Receivers" className={className} flush>
      <Loaded query={status} isEmpty={(data) => data.receivers.length === 0} empty={<Empty title="Nothing listens for data">OTLP receivers appear here when they are on.</Empty>}>
        {(data) => (
          <div className="scroll-x">
            <Table columns={['Name', 'Kind', 'Address', numbers('Accepted'), numbers('Refused')]}>
              {data.receivers.map((receiver) => {
                const refused = receiver.refused.reduce((sum, item) => sum + item.count, 0);
                return (
                  <tr key={receiver.name}>
                    <td>{receiver.name}</td>
                    <td className="muted">{words(receiver.kind)}</td>
                    <td className="mono">{receiver.address}</td>
                    <td className="right" title={exact(receiver.accepted_total)}>
                      {count(receiver.accepted_total)}
                    </td>
                    <td className={refused > 0 ? 'right warn' : 'right faint'} title={receiver.refused.map((item) => `${words(item.reason)}: ${item.count}`).join('\n')}>
                      {count(refused)}
                    </td>
                  </tr>
                );
              })}
            </Table>
          </div>
        )}
      </Loaded>
    </Panel>
  );
}

const SOON_DAYS = 14;

export function Certificates({ status, className }: Props): JSX.Element {
  const now = useNow(60_000);
  return (
    <Panel title="Certificates" className={className} flush>
      <Loaded query={status} isEmpty={(data) => data.certificates.length === 0} empty={<Empty title="No certificates yet">They are made at the first start.</Empty>}>
        {(data) => (
          <Table columns={['Name', numbers('Valid for')]}>
            {data.certificates.map((certificate) => {
              const left = (Date.parse(certificate.not_after) - now) / 1000;
              return (
                <tr key={certificate.name}>
                  <td>{certificate.name}</td>
                  <td className={left < SOON_DAYS * 86_400 ? 'right bad' : 'right'} title={dateTime(certificate.not_after)}>
                    {left > 0 ? seconds(left) : 'expired'}
                  </td>
                </tr>
              );
            })}
          </Table>
        )}
      </Loaded>
    </Panel>
  );
}

/** What is kept, and the room that is left. */
export function Storage({ status, className }: Props): JSX.Element {
  return (
    <Panel title="Storage" className={className}>
      <Loaded query={status}>
        {({ store, recovery }) => {
          const whole = store.disk_bytes + store.disk_free_bytes || 1;
          return (
            <>
              <div className="meter" role="img" aria-label={`${bytes(store.disk_bytes)} used, ${bytes(store.disk_free_bytes)} free`}>
                <i style={{ ...dot('var(--accent)'), width: `${Math.max((100 * store.disk_bytes) / whole, 0.5)}%` }} />
              </div>
              <div className="facts-row">
                <Fact name="On disk" note={`${bytes(store.disk_free_bytes)} free`}>{bytes(store.disk_bytes)}</Fact>
                <Fact name="Write-ahead log">{bytes(store.wal_bytes)}</Fact>
                <Fact name="In memory">{bytes(store.memtable_bytes)}</Fact>
                <Fact name="Segments">{count(store.segments)}</Fact>
                <Fact name="Rows">{count(store.rows)}</Fact>
                <Fact name="Oldest">{dateTime(store.oldest_ts)}</Fact>
                <Fact name="Retention">{store.retention.map(({ signal, days }) => `${signal} ${days} d`).join(', ') || '–'}</Fact>
                <Fact name="Found at the last start">{found(recovery) || 'nothing: it was the first'}</Fact>
              </div>
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}

/** What recovery reports, without what it counted none of. */
function found(recovery: Status['recovery']): string {
  return Object.entries(recovery ?? {})
    .flatMap(([key, value]) => (typeof value === 'number' && value > 0 ? [`${count(value)} ${words(key)}`] : []))
    .join(', ');
}

function Fact({ name, note, children }: { name: string; note?: string; children: ReactNode }): JSX.Element {
  return (
    <div className="fact">
      <div className="name">{name}</div>
      <div className="num">
        {children} {note && <span className="faint">{note}</span>}
      </div>
    </div>
  );
}

/** `open_traffic` → `open traffic`. */
function words(name: string): string {
  return name.replaceAll('_', ' ');
}
