import { useQuery } from '@tanstack/react-query';
import { useMemo, type JSX } from 'react';
import { get } from '../../api/client';
import type { Posture } from '../../api/types';
import { count, dateTime } from '../../lib/format';
import { useUrl } from '../../lib/hooks';
import { Connections, isInside, keyOf } from '../../lib/posture';
import { Icon } from '../../ui/icons';
import { Page } from '../../ui/page';
import { Empty, Loaded, Panel, Skeleton } from '../../ui/panel';
import { ConnectionDrawer, FindingDrawer, PolicyDrawer } from './drawers';
import { Findings } from './findings';
import { Graph } from './graph';
import { Matrix } from './matrix';
import '../../styles/posture.css';

const VIEWS = [
  { name: 'matrix', label: 'Matrix' },
  { name: 'graph', label: 'Graph' },
  { name: 'findings', label: 'Findings' },
] as const;

/** How often the server is asked whether the manifests have changed; it looks at files that often, too. */
const REFRESH_MS = 15_000;

export default function PosturePage(): JSX.Element {
  const query = useQuery({ queryKey: ['posture'], queryFn: ({ signal }) => get<Posture>('/posture', {}, signal), refetchInterval: REFRESH_MS });
  return (
    <Page title="Posture" timed={false} lead={query.data?.configured && <Lead posture={query.data} />}>
      <Loaded
        query={query}
        loading={<Skeleton lines={10} />}
        isEmpty={(posture) => !posture.configured}
        empty={
          <Panel>
            <Empty icon="shield" title="No manifests to look at">
              Start with <code>parapet up --manifests PATH</code>, a file or a folder of Kubernetes manifests, or name them in the configuration as <code>posture.manifests</code>. What they allow, and what is wrong with them, shows here.
            </Empty>
          </Panel>
        }
      >
        {(posture) => <Shown posture={posture} />}
      </Loaded>
    </Page>
  );
}

function Lead({ posture }: { posture: Posture }): JSX.Element {
  return (
    <>
      {posture.demo && <span className="badge accent">Demo manifests</span>}
      <span className="faint truncate" title={`${posture.modes}${posture.computed_at ? `, read ${dateTime(posture.computed_at)}` : ''}`}>
        {posture.sources.join(', ')}
      </span>
    </>
  );
}

function Shown({ posture }: { posture: Posture }): JSX.Element {
  const { params, set } = useUrl();
  const connections = useMemo(() => new Connections(posture), [posture]);
  const view = VIEWS.find((one) => one.name === params.get('view'))?.name ?? 'matrix';
  const exposed = posture.workloads.filter((one) => one.exposed_outside).length;
  const inside = posture.workloads.filter(isInside);
  const open = inside.filter((one) => !one.isolated_ingress).length;
  const [source, destination, policy] = [params.get('source'), params.get('destination'), params.get('policy')];
  const finding = posture.findings.find((one) => keyOf(one) === params.get('finding'));
  return (
    <>
      <Panel flush>
        <div className="stats">
          <Stat name="Workloads" value={count(posture.workloads_total)} note={posture.grouped ? 'shown by namespace' : `${count(connections.all.length)} connected pairs`} />
          <Stat name="Open to the outside" value={count(exposed)} note="by policies or entry points" />
          <Stat name="Without ingress policy" value={count(open)} note={`of ${count(inside.length)}`} />
          <Stat name="Findings" value={count(posture.findings_total)} note={`${count(posture.findings.filter((one) => one.severity === 'critical' || one.severity === 'high').length)} high or critical`} />
        </div>
      </Panel>
      {(posture.incomplete || posture.problems.length > 0) && <Problems posture={posture} />}
      <div className="row wrap-row">
        <div className="segmented" role="group" aria-label="View">
          {VIEWS.map(({ name, label }) => (
            <button key={name} type="button" aria-pressed={view === name} onClick={() => set({ view: name })}>
              {label}
            </button>
          ))}
        </div>
        <span className="hint truncate">{posture.modes}</span>
      </div>
      {view === 'matrix' && <Matrix posture={posture} connections={connections} />}
      {view === 'graph' && <Graph posture={posture} connections={connections} />}
      {view === 'findings' && <Findings posture={posture} />}
      {posture.notes.map((note) => (
        <p key={note} className="hint">
          {note}
        </p>
      ))}
      {policy ? (
        <PolicyDrawer namespace={policy} onClose={() => set({ policy: null })} />
      ) : source && destination ? (
        <ConnectionDrawer key={`${source} ${destination}`} source={source} destination={destination} posture={posture} connections={connections} onClose={() => set({ source: null, destination: null, port: null, protocol: null })} />
      ) : (
        finding && <FindingDrawer finding={finding} posture={posture} connections={connections} onClose={() => set({ finding: null })} />
      )}
    </>
  );
}

function Stat({ name, value, note }: { name: string; value: string; note: string }): JSX.Element {
  return (
    <div className="stat">
      <div className="name">{name}</div>
      <div className="value">{value}</div>
      <div className="note">{note}</div>
    </div>
  );
}

function Problems({ posture }: { posture: Posture }): JSX.Element {
  return (
    <details className="problem posture-problems">
      <summary>
        <Icon name="alert" /> {posture.incomplete ? 'Some of the manifests could not be read: more may be open, or wrong, than is shown' : 'The manifests have oddities'} ({count(posture.problems.length)})
      </summary>
      <ul>
        {posture.problems.map((problem, index) => (
          <li key={index}>
            <code>
              {problem.file}:{problem.line}:{problem.column}
            </code>{' '}
            {problem.severity}: {problem.message}
          </li>
        ))}
      </ul>
    </details>
  );
}
