import type { UseQueryResult } from '@tanstack/react-query';
import type { JSX } from 'react';
import type { Status } from '../../api/types';
import { dot } from '../../lib/palette';
import { byUrgency, lastRead, secretState } from '../../lib/secrets';
import { Loaded, Panel } from '../../ui/panel';
import { numbers, Table } from '../../ui/table';

const COLORS = { bad: 'var(--data-5xx)', warn: 'var(--data-4xx)', good: 'var(--data-2xx)' };

/** Secrets that are used by reference, and whether they are the latest. Their values are told to nobody. */
export function Secrets({ status, className }: { status: UseQueryResult<Status>; className: string }): JSX.Element | null {
  // Most installations refer to none.
  if (!status.data?.secrets.length) return null;
  return (
    <Panel title="Secrets" sub="kept elsewhere and used by reference; values are never shown" className={className} flush>
      <Loaded query={status}>
        {({ secrets }) => (
          <div className="scroll-x capped">
            <Table columns={['Secret', 'State', 'Used for', numbers('Last read')]}>
              {byUrgency(secrets).map((secret) => {
                const { tone, word, because } = secretState(secret);
                return (
                  <tr key={secret.name}>
                    <td className="mono" title={secret.version === null ? undefined : `version ${secret.version}`}>
                      {secret.name}
                    </td>
                    <td>
                      <span className="row">
                        <i className="dot" style={dot(COLORS[tone])} /> {word}
                      </span>
                      {because.map((reason) => (
                        <div key={reason} className="faint">
                          {reason}
                        </div>
                      ))}
                    </td>
                    <td className="muted">{secret.users.map((user) => user.name).join(', ')}</td>
                    <td className="right">{lastRead(secret)}</td>
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
