import { expect, test } from 'vitest';
import type { Posture, PostureFinding, PostureWorkload } from '../api/types';
import { Connections, diffLines, filtered, isFolded, samplePort, slots, squares, telling } from './posture';

function workload(namespace: string, name: string, kind = 'Deployment'): PostureWorkload {
  return { id: namespace ? `${namespace}/${name}[${kind}]` : name, namespace, name, kind, exposed_outside: false, isolated_ingress: false, isolated_egress: false };
}

function posture(workloads: PostureWorkload[], cells: number[][], ports: string[]): Posture {
  return { configured: true, demo: false, sources: [], computed_at: null, modes: '', incomplete: false, problems: [], notes: [], grouped: false, workloads_total: workloads.length, workloads, ports, cells, findings_total: 0, findings: [] };
}

function finding(patch: Partial<PostureFinding>): PostureFinding {
  return { rule: 'OBS-X-01', title: '', severity: 'high', group: 'Secrets', object: 'Deployment a/x', namespace: 'a', file: 'a.yaml', line: 1, column: 1, message: '', evidence: [], why: '', fix: '', patch: '', patch_omitted: false, repairs: false, decide: '', sample: '', workloads: [], ...patch };
}

const small = posture([workload('a', 'x'), workload('a', 'y'), workload('b', 'z'), workload('', 'outside', 'External')], [[0, 1, 0], [0, 2, 0], [1, 2, 1], [3, 2, 2]], ['TCP 80', 'TCP 80,UDP 53', 'All Connections']);

test('connections are found from both ends', () => {
  const connections = new Connections(small);
  expect(connections.from(0).map((link) => link.to)).toEqual([1, 2]);
  expect(connections.to(2).map((link) => link.from)).toEqual([0, 1, 3]);
  expect(connections.between(1, 2)?.ports).toBe('TCP 80,UDP 53');
  expect(connections.between(2, 1)).toBeUndefined();
});

test('few workloads stand open, many are folded, and a click turns that round', () => {
  expect(slots(small, []).map((slot) => slot.label)).toEqual(['x', 'y', 'z', 'outside']);
  expect(slots(small, ['a']).map((slot) => slot.label)).toEqual(['a (2)', 'z', 'outside']);
  const many = { name: 'a', members: [0, 1] };
  expect(isFolded(many, 41, [])).toBe(true);
  expect(isFolded(many, 41, ['a'])).toBe(false);
  expect(isFolded({ name: 'b', members: [2] }, 41, [])).toBe(false);
});

test('a folded namespace’s square counts its pairs', () => {
  const axis = slots(small, ['a']);
  const found = squares(new Connections(small), axis);
  expect(found.get(0)).toEqual({ links: 1, most: 4, ports: 'TCP 80', everything: false });
  expect(found.get(1)).toEqual({ links: 2, most: 2, ports: null, everything: false });
  expect(found.get(2 * axis.length + 1)?.everything).toBe(true);
  expect(found.size).toBe(3);
});

test('the port that is asked about is one that is open', () => {
  expect(samplePort('TCP 80,8000-9000,UDP 53')).toEqual({ protocol: 'TCP', port: 80 });
  expect(samplePort('TCP 80,400-500')).toEqual({ protocol: 'TCP', port: 443 });
  expect(samplePort('UDP 53')).toEqual({ protocol: 'UDP', port: 53 });
  expect(samplePort('UDP 53,443')).toEqual({ protocol: 'UDP', port: 53 });
  expect(samplePort('All Connections')).toEqual({ protocol: 'TCP', port: 443 });
});

test('a finding is explained by the connection that comes from farthest away', () => {
  const connections = new Connections(small);
  expect(telling(finding({ workloads: [2] }), small, connections)).toMatchObject({ from: 3, to: 2 });
  expect(telling(finding({ workloads: [0] }), small, connections)).toMatchObject({ from: 0, to: 1 });
  expect(telling(finding({ workloads: [] }), small, connections)).toBeUndefined();
});

test('filters narrow together', () => {
  const all = [finding({ message: 'port 9300 is open' }), finding({ severity: 'low', namespace: 'b' }), finding({ group: 'Pods', rule: 'OBS-POD-01' })];
  const none = { severity: null, group: null, namespace: null, text: '' };
  expect(filtered(all, none)).toHaveLength(3);
  expect(filtered(all, { ...none, severity: 'high', group: 'Secrets' })).toEqual([all[0]]);
  expect(filtered(all, { ...none, namespace: 'b' })).toEqual([all[1]]);
  expect(filtered(all, { ...none, text: 'OPEN 9300' })).toEqual([all[0]]);
  expect(filtered(all, { ...none, text: 'pod-01' })).toEqual([all[2]]);
});

test('a diff’s lines are told apart, even those that look like its heads', () => {
  const kinds = (diff: string): string[] => diffLines(diff).map((line) => line.kind);
  expect(kinds('--- a/x\n+++ b/x\n@@ -3,3 +3,3 @@\n a\n--- b\n+++ c\n d\n@@ -9 +9,0 @@\n-e\n\\ No newline at end of file\n')).toEqual(['head', 'head', 'head', 'same', 'removed', 'added', 'same', 'head', 'removed', 'head']);
  expect(diffLines('')).toEqual([]);
  expect(diffLines('--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+a').map((line) => line.text).join('')).toBe('--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+a');
});
