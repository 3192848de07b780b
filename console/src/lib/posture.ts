import type { Posture, PostureFinding, PostureWorkload } from '../api/types';

/** Workloads up to which a matrix and a graph show each of them unasked. */
export const READABLE = 40;
export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const;

/** Where everything is that is in no namespace. */
export const OUTSIDE = 'Outside';

export interface Link {
  from: number;
  to: number;
  ports: string;
}

/** Connections by their ends. */
export class Connections {
  readonly all: readonly Link[];
  private readonly out = new Map<number, Link[]>();
  private readonly into = new Map<number, Link[]>();
  private readonly pairs = new Map<string, Link>();

  constructor(posture: Posture) {
    this.all = posture.cells.map(([from = 0, to = 0, ports = 0]) => ({ from, to, ports: posture.ports[ports] ?? '' }));
    for (const link of this.all) {
      push(this.out, link.from, link);
      push(this.into, link.to, link);
      this.pairs.set(`${link.from} ${link.to}`, link);
    }
  }

  from(end: number): readonly Link[] {
    return this.out.get(end) ?? [];
  }

  to(end: number): readonly Link[] {
    return this.into.get(end) ?? [];
  }

  between(from: number, to: number): Link | undefined {
    return this.pairs.get(`${from} ${to}`);
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** What is outside the cluster has no namespace; it gets a title of its own. */
export function groupOf(workload: PostureWorkload): string {
  return workload.namespace || OUTSIDE;
}

export function isInside(workload: PostureWorkload): boolean {
  return workload.namespace !== '';
}

export interface Group {
  name: string;
  members: number[];
}

/** Ends by namespace, in the order that they come in. */
export function groups(workloads: readonly PostureWorkload[]): Group[] {
  const byName = new Map<string, number[]>();
  workloads.forEach((workload, index) => push(byName, groupOf(workload), index));
  return [...byName].map(([name, members]) => ({ name, members }));
}

/** One row and column of the matrix: a workload, or a namespace that is folded. */
export interface Slot {
  label: string;
  group: string;
  members: number[];
  folded: boolean;
}

/** Namespaces are folded if there are too many workloads, unless they are among `toggled`; if there are few, the other way round. */
export function isFolded(group: Group, total: number, toggled: readonly string[]): boolean {
  return group.members.length > 1 && total > READABLE !== toggled.includes(group.name);
}

export function slots(posture: Posture, toggled: readonly string[]): Slot[] {
  const total = posture.workloads.length;
  return groups(posture.workloads).flatMap((group): Slot[] => {
    if (isFolded(group, total, toggled)) return [{ label: `${group.name} (${group.members.length})`, group: group.name, members: group.members, folded: true }];
    return group.members.map((index) => ({ label: posture.workloads[index]?.name ?? '', group: group.name, members: [index], folded: false }));
  });
}

export interface Square {
  links: number;
  /** Pairs that there could be. */
  most: number;
  /** Of the only link, or of all if they agree. */
  ports: string | null;
  /** Every port of every protocol somewhere in it. */
  everything: boolean;
}

export const EVERYTHING = 'All Connections';

/** The matrix's squares that hold a connection, by `row * slots + column`. */
export function squares(connections: Connections, axis: readonly Slot[]): Map<number, Square> {
  const slotOf = new Map<number, number>();
  axis.forEach((slot, at) => slot.members.forEach((member) => slotOf.set(member, at)));
  const found = new Map<number, Square>();
  for (const link of connections.all) {
    const row = slotOf.get(link.from);
    const column = slotOf.get(link.to);
    if (row === undefined || column === undefined) continue;
    const key = row * axis.length + column;
    const known = found.get(key);
    if (known) {
      known.links += 1;
      if (known.ports !== link.ports) known.ports = null;
      known.everything ||= link.ports === EVERYTHING;
    } else {
      const most = (axis[row]?.members.length ?? 1) * (axis[column]?.members.length ?? 1);
      found.set(key, { links: 1, most, ports: link.ports, everything: link.ports === EVERYTHING });
    }
  }
  return found;
}

/** A port to ask about: 443 if it is among them, else the first. */
export function samplePort(ports: string): { protocol: string; port: number } {
  let protocol = 'TCP';
  let first: { protocol: string; port: number } | undefined;
  for (const part of ports.split(',')) {
    const match = /^(?:([A-Z]+) )?(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) continue;
    protocol = match[1] ?? protocol;
    const low = Number(match[2]);
    const high = Number(match[3] ?? low);
    if (protocol === 'TCP' && low <= 443 && 443 <= high) return { protocol, port: 443 };
    first ??= { protocol, port: low };
  }
  return first ?? { protocol: 'TCP', port: 443 };
}

/** The connection that shows best what a finding is about: into its workload, from outside if that is possible. */
export function telling(finding: PostureFinding, posture: Posture, connections: Connections): Link | undefined {
  const rank = (link: Link): number => {
    const from = posture.workloads[link.from];
    if (from?.kind === 'External') return 0;
    return from && groupOf(from) !== finding.namespace && from.kind !== 'Entry' ? 1 : 2;
  };
  const into = finding.workloads.flatMap((end) => connections.to(end)).filter((link) => posture.workloads[link.from]?.kind !== 'Entry');
  const best = [...into].sort((a, b) => rank(a) - rank(b))[0];
  return best ?? finding.workloads.flatMap((end) => connections.from(end))[0];
}

export interface FindingFilter {
  severity: string | null;
  group: string | null;
  namespace: string | null;
  text: string;
}

export function filtered(findings: readonly PostureFinding[], filter: FindingFilter): PostureFinding[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return findings.filter((finding) => {
    if (filter.severity && finding.severity !== filter.severity) return false;
    if (filter.group && finding.group !== filter.group) return false;
    if (filter.namespace && finding.namespace !== filter.namespace) return false;
    const text = `${finding.rule} ${finding.title} ${finding.object} ${finding.message} ${finding.file}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Names a finding in an address, whatever else is found. */
export function keyOf(finding: PostureFinding): string {
  return `${finding.rule}@${finding.file}:${finding.line}:${finding.column}`;
}

export function severityTone(severity: string): 'bad' | 'warn' | 'accent' | '' {
  if (severity === 'critical' || severity === 'high') return 'bad';
  if (severity === 'medium') return 'warn';
  return severity === 'low' ? 'accent' : '';
}

export interface DiffLine {
  kind: 'added' | 'removed' | 'head' | 'same';
  text: string;
}

/** A unified diff's lines, each with its newline, by what they say. */
export function diffLines(diff: string): DiffLine[] {
  // Lines that a hunk still has: before they are used up, even `--- ` is a line that goes.
  let [before, after] = [0, 0];
  return (diff.match(/[^\n]*\n|[^\n]+$/g) ?? []).map((text): DiffLine => {
    if (before <= 0 && after <= 0) {
      const hunk = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(text);
      if (hunk) [before, after] = [Number(hunk[1] ?? 1), Number(hunk[2] ?? 1)];
      return { kind: 'head', text };
    }
    if (text.startsWith('\\')) return { kind: 'head', text };
    if (text.startsWith('+')) {
      after -= 1;
      return { kind: 'added', text };
    }
    before -= 1;
    if (text.startsWith('-')) return { kind: 'removed', text };
    after -= 1;
    return { kind: 'same', text };
  });
}
