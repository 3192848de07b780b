import { useMemo, type JSX } from 'react';
import type { Posture } from '../../api/types';
import { useUrl } from '../../lib/hooks';
import { groupOf, groups, samplePort, OUTSIDE, READABLE, type Connections, type Link } from '../../lib/posture';
import { Panel } from '../../ui/panel';

const NODE = { width: 168, height: 26, gap: 6 };
const BOX = { pad: 10, head: 24, gap: 110 };
/** Namespaces up to which each has a column of its own. */
const MOST_COLUMNS = 6;
/** Lines that a picture of everything may have and still be read. */
const MOST_LINES = 160;

interface Node {
  index: number;
  x: number;
  y: number;
}

interface Drawn {
  nodes: Map<number, Node>;
  boxes: { name: string; x: number; y: number; height: number }[];
  width: number;
  height: number;
}

/** Namespaces with their workloads; with a focus, only it, who reaches it and whom it reaches. */
export function Graph({ posture, connections }: { posture: Posture; connections: Connections }): JSX.Element {
  const { params, set } = useUrl();
  const focusId = params.get('focus');
  const focus = posture.workloads.findIndex((workload) => workload.id === focusId);
  const choose = (
    <select className="select" aria-label="Focus on" value={focus < 0 ? '' : (focusId ?? '')} onChange={(event) => set({ focus: event.target.value })}>
      <option value="">All workloads</option>
      {posture.workloads.map((workload) => (
        <option key={workload.id} value={workload.id}>
          {workload.id}
        </option>
      ))}
    </select>
  );
  return (
    <Panel title="Connections" sub={focus < 0 ? 'choose a workload to see its neighbours' : 'who reaches it, on the left; whom it reaches, on the right'} actions={choose}>
      {focus < 0 ? <Everything posture={posture} connections={connections} /> : <Focused posture={posture} connections={connections} focus={focus} />}
    </Panel>
  );
}

function Everything({ posture, connections }: { posture: Posture; connections: Connections }): JSX.Element {
  const drawn = useMemo(() => columns(posture), [posture]);
  const isDense = posture.workloads.length > READABLE || connections.all.length > MOST_LINES;
  return (
    <>
      {isDense && <p className="hint">Too many connections for a line each: lines are between namespaces. Choose a workload to see its own.</p>}
      <div className="graph scroll-x">
        <svg width={drawn.width} height={drawn.height} role="group" aria-label="Graph of connections">
          <Arrow />
          <Boxes drawn={drawn} />
          {isDense ? <Between posture={posture} connections={connections} drawn={drawn} /> : connections.all.map((link) => <Line key={`${link.from} ${link.to}`} link={link} from={drawn.nodes.get(link.from)} to={drawn.nodes.get(link.to)} posture={posture} />)}
          {[...drawn.nodes.values()].map((node) => (
            <NodeButton key={node.index} node={node} posture={posture} />
          ))}
        </svg>
      </div>
    </>
  );
}

/** What is outside first, then namespaces side by side; many share columns, tall ones take several. */
function columns(posture: Posture): Drawn {
  const most = Math.max(12, Math.ceil(Math.sqrt(posture.workloads.length) * 2));
  const nodes = new Map<number, Node>();
  const boxes: Drawn['boxes'] = [];
  let [x, y, height] = [0, 0, 0];
  const all = groups(posture.workloads);
  const ordered = [...all.filter((group) => group.name === OUTSIDE), ...all.filter((group) => group.name !== OUTSIDE)];
  for (const group of ordered) {
    for (let start = 0; start < group.members.length; start += most) {
      const part = group.members.slice(start, start + most);
      const tall = BOX.head + part.length * (NODE.height + NODE.gap) + BOX.pad;
      const limit = BOX.head + most * (NODE.height + NODE.gap) + BOX.pad;
      if (y > 0 && (ordered.length <= MOST_COLUMNS || y + tall > limit)) {
        x += NODE.width + 2 * BOX.pad + BOX.gap;
        y = 0;
      }
      boxes.push({ name: start > 0 ? `${group.name}, more` : group.name, x, y, height: tall });
      part.forEach((index, at) => nodes.set(index, { index, x: x + BOX.pad, y: y + BOX.head + at * (NODE.height + NODE.gap) }));
      y += tall + 20;
      height = Math.max(height, y);
    }
  }
  return { nodes, boxes, width: x + NODE.width + 2 * BOX.pad + 40, height };
}

/** Lines between namespaces, the thicker the more pairs. */
function Between({ posture, connections, drawn }: { posture: Posture; connections: Connections; drawn: Drawn }): JSX.Element {
  const pairs = useMemo(() => {
    const counted = new Map<string, { from: string; to: string; links: number }>();
    for (const link of connections.all) {
      const [a, b] = [posture.workloads[link.from], posture.workloads[link.to]];
      if (!a || !b || groupOf(a) === groupOf(b)) continue;
      const key = `${groupOf(a)} ${groupOf(b)}`;
      const known = counted.get(key);
      if (known) known.links += 1;
      else counted.set(key, { from: groupOf(a), to: groupOf(b), links: 1 });
    }
    return [...counted.values()].sort((a, b) => b.links - a.links).slice(0, MOST_LINES);
  }, [posture, connections]);
  const boxOf = (name: string): Node | undefined => {
    const box = drawn.boxes.find((one) => one.name === name);
    return box && { index: -1, x: box.x + BOX.pad, y: box.y };
  };
  return (
    <>
      {pairs.map((pair) => {
        const [from, to] = [boxOf(pair.from), boxOf(pair.to)];
        if (!from || !to) return null;
        return (
          <path key={`${pair.from} ${pair.to}`} className="edge" d={curve(from, to)} strokeWidth={1 + Math.log2(pair.links)} markerEnd="url(#arrow)">
            <title>{`${pair.from} → ${pair.to}: ${pair.links} pairs`}</title>
          </path>
        );
      })}
    </>
  );
}

function Focused({ posture, connections, focus }: { posture: Posture; connections: Connections; focus: number }): JSX.Element {
  const [into, out] = [connections.to(focus), connections.from(focus)];
  const gap = 150;
  const side = (ends: readonly number[], x: number): Node[] => ends.map((index, at) => ({ index, x, y: 34 + at * (NODE.height + NODE.gap) }));
  const sources = side(into.map((link) => link.from).sort((a, b) => a - b), 0);
  const targets = side(out.map((link) => link.to).sort((a, b) => a - b), 2 * (NODE.width + gap));
  const rows = Math.max(sources.length, targets.length, 1);
  const middle: Node = { index: focus, x: NODE.width + gap, y: 34 + ((rows - 1) * (NODE.height + NODE.gap)) / 2 };
  const nodeOf = (nodes: Node[], index: number): Node | undefined => nodes.find((node) => node.index === index);
  return (
    <div className="graph scroll-x">
      <svg width={3 * NODE.width + 2 * gap + 20} height={rows * (NODE.height + NODE.gap) + 50} role="group" aria-label="Neighbours of the workload">
        <Arrow />
        <text className="graph-title" x={0} y={16}>{`Reached by ${sources.length}`}</text>
        <text className="graph-title" x={2 * (NODE.width + gap)} y={16}>{`Reaches ${targets.length}`}</text>
        {into.map((link) => (
          <Line key={`in ${link.from}`} link={link} from={nodeOf(sources, link.from)} to={middle} posture={posture} />
        ))}
        {out.map((link) => (
          <Line key={`out ${link.to}`} link={link} from={middle} to={nodeOf(targets, link.to)} posture={posture} />
        ))}
        {[...sources, ...targets].map((node) => (
          <NodeButton key={`${node.x} ${node.index}`} node={node} posture={posture} full />
        ))}
        <NodeButton node={middle} posture={posture} full isFocus />
      </svg>
    </div>
  );
}

function Arrow(): JSX.Element {
  return (
    <defs>
      <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">
        <path d="M0 0L8 4L0 8z" className="arrow" />
      </marker>
    </defs>
  );
}

function Boxes({ drawn }: { drawn: Drawn }): JSX.Element {
  return (
    <>
      {drawn.boxes.map((box) => (
        <g key={`${box.x} ${box.y}`}>
          <rect className="graph-box" x={box.x} y={box.y} width={NODE.width + 2 * BOX.pad} height={box.height} rx={8} />
          <text className="graph-title" x={box.x + BOX.pad} y={box.y + 16}>
            {box.name}
          </text>
        </g>
      ))}
    </>
  );
}

/** From the right side of one to the left side of the other; within a column, around it. */
function curve(from: Node, to: Node): string {
  const [y1, y2] = [from.y + NODE.height / 2, to.y + NODE.height / 2];
  if (from.x === to.x) {
    const x = from.x + NODE.width;
    const bend = x + 24 + Math.min(36, Math.abs(y1 - y2) / 6);
    return `M${x} ${y1}C${bend} ${y1} ${bend} ${y2} ${x} ${y2}`;
  }
  const forward = from.x < to.x;
  const [x1, x2] = forward ? [from.x + NODE.width, to.x] : [from.x, to.x + NODE.width];
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

function Line({ link, from, to, posture }: { link: Link; from: Node | undefined; to: Node | undefined; posture: Posture }): JSX.Element | null {
  const { set } = useUrl();
  const [source, destination] = [posture.workloads[link.from], posture.workloads[link.to]];
  if (!from || !to || !source || !destination || link.from === link.to) return null;
  const { protocol, port } = samplePort(link.ports);
  return (
    <path className="edge link" d={curve(from, to)} markerEnd="url(#arrow)" onClick={() => !posture.grouped && set({ source: source.id, destination: destination.id, protocol, port: String(port) })}>
      <title>{`${source.id} → ${destination.id}: ${link.ports}`}</title>
    </path>
  );
}

function NodeButton({ node, posture, full = false, isFocus = false }: { node: Node; posture: Posture; full?: boolean; isFocus?: boolean }): JSX.Element | null {
  const { set } = useUrl();
  const workload = posture.workloads[node.index];
  if (!workload) return null;
  const name = full && workload.namespace && workload.namespace !== workload.name ? `${workload.namespace}/${workload.name}` : workload.name;
  const focus = (): void => set({ focus: isFocus ? null : workload.id });
  return (
    <g
      className={isFocus ? 'graph-node on' : workload.exposed_outside ? 'graph-node exposed' : 'graph-node'}
      role="button"
      tabIndex={0}
      aria-label={`${workload.id}${workload.exposed_outside ? ', open to the outside' : ''}`}
      onClick={focus}
      onKeyDown={(event) => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          focus();
        }
      }}
    >
      <rect x={node.x} y={node.y} width={NODE.width} height={NODE.height} rx={6} />
      <text x={node.x + 8} y={node.y + 17}>
        {name.length > 25 ? `${name.slice(0, 24)}…` : name}
      </text>
      <title>{workload.id}</title>
    </g>
  );
}
