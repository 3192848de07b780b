import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent, type JSX } from 'react';
import { del, get, messageOf, post } from '../../api/client';
import type { NewToken, Scope, Token } from '../../api/types';
import { ago, dateTime } from '../../lib/format';
import { useNow } from '../../lib/hooks';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { Dialog } from '../../ui/overlay';
import { Page } from '../../ui/page';
import { Empty, Loaded, Panel } from '../../ui/panel';
import { Table } from '../../ui/table';

const SCOPES: readonly { scope: Scope; does: string }[] = [
  { scope: 'ingest', does: 'Send logs, traces and metrics by OTLP' },
  { scope: 'read', does: 'Query everything, and read /metrics' },
  { scope: 'admin', does: 'All of it, tokens included' },
];
const LIVES: readonly [string, string][] = [
  ['', 'Never'],
  ['7', 'In 7 days'],
  ['30', 'In 30 days'],
  ['90', 'In 90 days'],
  ['365', 'In a year'],
];

export default function Tokens(): JSX.Element {
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const now = useNow(10_000);
  const query = useQuery({ queryKey: ['tokens'], queryFn: ({ signal }) => get<{ tokens: Token[] }>('/tokens', {}, signal) });

  return (
    <Page title="Tokens" timed={false} lead={<span className="muted">What programs sign in with</span>}>
      <Panel
        title="Tokens"
        flush
        actions={
          <button type="button" className="button primary" onClick={() => setCreating(true)}>
            <Icon name="plus" size={14} /> New token
          </button>
        }
      >
        <Loaded query={query} isEmpty={(data) => data.tokens.length === 0} empty={<Empty icon="key" title="No tokens yet">An OpenTelemetry SDK or collector needs one with the scope “ingest”; scripts and dashboards one with “read”.</Empty>}>
          {(data) => (
            <div className="scroll-x">
              <Table columns={['Name', 'Scopes', 'Id', 'Created', 'Last used', 'Expires', { name: 'Actions', hidden: true }]}>
                {data.tokens.map((token) => (
                  <tr key={token.id}>
                    <td>{token.name}</td>
                    <td>
                      <span className="row">
                        {token.scopes.map((scope) => (
                          <span key={scope} className={scope === 'admin' ? 'badge warn' : 'badge'}>
                            {scope}
                          </span>
                        ))}
                      </span>
                    </td>
                    <td className="mono faint">{token.id}</td>
                    <td title={dateTime(token.created_at)}>{ago(token.created_at, now)}</td>
                    <td title={dateTime(token.last_used_at)}>{token.last_used_at ? ago(token.last_used_at, now) : <span className="faint">never</span>}</td>
                    <td>{token.expires_at ? dateTime(token.expires_at) : <span className="faint">never</span>}</td>
                    <td className="right">
                      <button type="button" className="button plain small danger" onClick={() => setRevoking(token)}>
                        <Icon name="trash" size={13} /> Revoke
                      </button>
                    </td>
                  </tr>
                ))}
              </Table>
            </div>
          )}
        </Loaded>
      </Panel>
      {creating && <Create onClose={() => setCreating(false)} />}
      {revoking && <Revoke token={revoking} onClose={() => setRevoking(null)} />}
    </Page>
  );
}

function Create({ onClose }: { onClose: () => void }): JSX.Element {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(new Set(['ingest']));
  const [days, setDays] = useState('90');
  const create = useMutation({
    mutationFn: (asked: NewToken) => post<{ token: Token; secret: string }>('/tokens', asked),
    onSuccess: () => client.invalidateQueries({ queryKey: ['tokens'] }),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    create.mutate({ name: name.trim(), scopes: SCOPES.map(({ scope }) => scope).filter((scope) => scopes.has(scope)), ...(days ? { expires_in_days: Number(days) } : {}) });
  };
  const secret = create.data?.secret;
  if (secret) {
    return (
      <Dialog title="Token created" onClose={onClose}>
        <p>Copy it now: only its hash is stored, so it can’t be shown again.</p>
        <div className="row secret">
          <code className="grow">{secret}</code>
          <CopyButton text={() => secret} label="Copy" name="Copy the token" />
        </div>
        <p className="hint">
          Programs send it as <code>authorization: Bearer …</code>
        </p>
        <footer>
          <button type="button" className="button primary" onClick={onClose}>
            Done
          </button>
        </footer>
      </Dialog>
    );
  }
  return (
    <Dialog title="New token" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        {create.error && (
          <div className="problem" role="alert">
            <Icon name="alert" />
            <span>{messageOf(create.error)}</span>
          </div>
        )}
        <div className="field">
          <label htmlFor="token-name">Name</label>
          <input id="token-name" className="input" required maxLength={100} placeholder="Who will use it" autoFocus value={name} onChange={(event) => setName(event.target.value)} />
        </div>
        <fieldset className="field">
          <legend className="label">Scopes</legend>
          {SCOPES.map(({ scope, does }) => (
            <label key={scope} className="check">
              <input
                type="checkbox"
                checked={scopes.has(scope)}
                onChange={() => {
                  const next = new Set(scopes);
                  if (!next.delete(scope)) next.add(scope);
                  setScopes(next);
                }}
              />
              <span>
                <b>{scope}</b> <span className="muted">{does}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <div className="field">
          <label htmlFor="token-life">Expires</label>
          <select id="token-life" className="select" value={days} onChange={(event) => setDays(event.target.value)}>
            {LIVES.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </div>
        <footer>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={create.isPending || scopes.size === 0}>
            Create
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Revoke({ token, onClose }: { token: Token; onClose: () => void }): JSX.Element {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => del(`/tokens/${encodeURIComponent(token.id)}`),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['tokens'] });
      onClose();
    },
  });
  return (
    <Dialog title={`Revoke ${token.name}?`} onClose={onClose}>
      <p>Whoever uses it is refused from now on. This can’t be undone.</p>
      {revoke.error && (
        <div className="problem" role="alert">
          <Icon name="alert" />
          <span>{messageOf(revoke.error)}</span>
        </div>
      )}
      <footer>
        <button type="button" className="button" onClick={onClose}>
          Keep it
        </button>
        <button type="button" className="button danger" disabled={revoke.isPending} onClick={() => revoke.mutate()}>
          Revoke
        </button>
      </footer>
    </Dialog>
  );
}
