import { useQuery } from '@tanstack/react-query';
import type { JSX } from 'react';
import { get } from '../../api/client';
import type { Explained, GeneratedPolicy, Posture, PostureFinding } from '../../api/types';
import { count } from '../../lib/format';
import { useUrl } from '../../lib/hooks';
import { samplePort, severityTone, telling, type Connections } from '../../lib/posture';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { Drawer } from '../../ui/overlay';
import { Loaded, Panel, Skeleton } from '../../ui/panel';
import { Remedy } from './remedy';

interface Of {
  posture: Posture;
  connections: Connections;
  onClose: () => void;
}

/** What is wrong, where, why it matters, and what to do about it. */
export function FindingDrawer({ finding, posture, connections, onClose }: Of & { finding: PostureFinding }): JSX.Element {
  const { set } = useUrl();
  const link = posture.grouped ? undefined : telling(finding, posture, connections);
  const [source, destination] = link ? [posture.workloads[link.from], posture.workloads[link.to]] : [];
  return (
    <Drawer
      name="Finding"
      title={finding.title}
      onClose={onClose}
      actions={
        <>
          {link && source && destination && (
            <button type="button" className="button small" title={`Why ${source.id} can reach ${destination.id}`} onClick={() => {
              const { protocol, port } = samplePort(link.ports);
              set({ source: source.id, destination: destination.id, protocol, port: String(port) });
            }}>
              <Icon name="help" size={13} /> Explain
            </button>
          )}
          <PolicyButton namespace={finding.namespace} posture={posture} />
        </>
      }
    >
      <div className="row">
        <span className={`badge ${severityTone(finding.severity)}`}>{finding.severity}</span>
        <code>{finding.rule}</code>
        <span className="muted">{finding.group}</span>
      </div>
      <p>{finding.message}</p>
      {finding.evidence.length > 0 && (
        <ul className="bullets">
          {finding.evidence.map((evidence) => (
            <li key={evidence}>{evidence}</li>
          ))}
        </ul>
      )}
      <Panel title="Where">
        <dl className="kv">
          <dt>Object</dt>
          <dd>{finding.object}</dd>
          <dt>File</dt>
          <dd>
            <code>
              {finding.file}:{finding.line}:{finding.column}
            </code>{' '}
            <CopyButton text={() => `${finding.file}:${finding.line}:${finding.column}`} name="Copy the place" />
          </dd>
          {finding.workloads.length > 0 && (
            <>
              <dt>Workloads</dt>
              <dd className="row wrap-row">
                {finding.workloads.slice(0, 12).map((index) => {
                  const workload = posture.workloads[index];
                  return (
                    workload && (
                      <button key={index} type="button" className="button small" title="Show its neighbours" onClick={() => set({ view: 'graph', focus: workload.id, finding: null })}>
                        {workload.id}
                      </button>
                    )
                  );
                })}
              </dd>
            </>
          )}
        </dl>
      </Panel>
      <Panel title="Why it matters">
        <p>{finding.why}</p>
      </Panel>
      <Panel title="What to do">
        <p>{finding.fix}</p>
      </Panel>
      <Remedy finding={finding} />
    </Drawer>
  );
}

function PolicyButton({ namespace, posture }: { namespace: string; posture: Posture }): JSX.Element | null {
  const { set } = useUrl();
  if (!posture.workloads.some((workload) => workload.namespace === namespace && namespace !== '')) return null;
  return (
    <button type="button" className="button small" title={`The least policies of ${namespace}`} onClick={() => set({ policy: namespace })}>
      <Icon name="shield" size={13} /> Policy
    </button>
  );
}

/** Why one workload may or may not connect to another, at a port that can be changed. */
export function ConnectionDrawer({ source, destination, posture, connections, onClose }: Of & { source: string; destination: string }): JSX.Element {
  const { params, set } = useUrl();
  const [port, protocol] = [params.get('port') ?? '443', params.get('protocol') ?? 'TCP'];
  const index = (id: string): number => posture.workloads.findIndex((workload) => workload.id === id);
  const link = connections.between(index(source), index(destination));
  const query = useQuery({
    queryKey: ['posture-explain', source, destination, protocol, port, posture.computed_at],
    queryFn: ({ signal }) => get<Explained>('/posture/explain', { source, destination, protocol, port }, signal),
  });
  const namespace = posture.workloads[index(destination)]?.namespace || posture.workloads[index(source)]?.namespace || '';
  return (
    <Drawer name="Connection" title={`${source} → ${destination}`} onClose={onClose} actions={<PolicyButton namespace={namespace} posture={posture} />}>
      <div className="row wrap-row">
        <span className="muted">Allowed ports: {link?.ports ?? 'none'}</span>
        <span className="grow" />
        <select className="select" aria-label="Protocol" value={protocol} onChange={(event) => set({ protocol: event.target.value }, { replace: true })}>
          {['TCP', 'UDP', 'SCTP'].map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <input className="input port" type="number" min={1} max={65535} aria-label="Port" value={port} onChange={(event) => set({ port: event.target.value }, { replace: true })} />
        <button type="button" className="button small" onClick={() => set({ source: destination, destination: source }, { replace: true })}>
          <Icon name="traffic" size={13} /> Other way
        </button>
      </div>
      <Loaded query={query} loading={<Skeleton lines={8} />}>
        {(explained) => (
          <>
            {explained.verdicts.map((verdict, at) => (
              <Panel key={at} title={`${verdict.protocol} ${verdict.port}: ${verdict.allowed ? 'allowed' : 'denied'}`} sub={`${verdict.source} → ${verdict.destination}`} actions={<CopyButton text={() => verdict.text} name="Copy the explanation" />}>
                {verdict.sides.length === 0 && <p>A pod always reaches its own address: no policy sees that traffic.</p>}
                {verdict.sides.map((side) => (
                  <div key={side.side} className="verdict-side">
                    <div className="row">
                      <span className={side.allowed ? 'badge ok' : 'badge bad'}>{side.allowed ? 'allowed' : 'denied'}</span> <b>{side.side}</b> <span className="muted">{side.decision}</span>
                    </div>
                    <ul className="bullets">
                      {side.steps.map((step) => (
                        <li key={step}>{step}</li>
                      ))}
                      {side.changes.map((change) => (
                        <li key={change} className="muted">
                          What would change it: {change}
                        </li>
                      ))}
                    </ul>
                  </div>
                ))}
                {verdict.notes.map((note) => (
                  <p key={note} className="hint">
                    {note}
                  </p>
                ))}
              </Panel>
            ))}
            <p className="hint">{explained.modes}</p>
          </>
        )}
      </Loaded>
    </Drawer>
  );
}

/** The least policies of a namespace: a proposal with its proof. */
export function PolicyDrawer({ namespace, onClose }: { namespace: string; onClose: () => void }): JSX.Element {
  const query = useQuery({ queryKey: ['posture-policy', namespace], queryFn: ({ signal }) => get<GeneratedPolicy>('/posture/policy', { namespace }, signal) });
  return (
    <Drawer name="Policy" title={`Least policies of ${namespace}`} onClose={onClose} actions={query.data && <CopyButton text={() => query.data.yaml} label="Copy" name="Copy the policies" />}>
      <Loaded query={query} loading={<Skeleton lines={14} />}>
        {(policy) => (
          <>
            <div className="row wrap-row">
              <span className={policy.proved ? 'badge ok' : 'badge warn'}>{policy.proved ? 'Proved' : 'Not proved'}</span>
              <span className="muted">
                {count(policy.declared)} connections from what the manifests show; {count(policy.pairs)} pairs computed. Read it before you apply it: a flow that no manifest names would be cut.
              </span>
            </div>
            {[...policy.unproved, ...policy.notes].map((note) => (
              <p key={note} className="hint">
                {note}
              </p>
            ))}
            <pre className="yaml" tabIndex={0} aria-label="Policies as YAML">
              {policy.yaml}
            </pre>
          </>
        )}
      </Loaded>
    </Drawer>
  );
}
