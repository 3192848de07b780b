// Who can reach whom in a made-up shop: the posture routes of the mock.
const end = (namespace, name, kind, exposed, isolated) => ({ id: namespace ? `${namespace}/${name}[${kind}]` : kind === 'External' ? 'outside' : '{ingress-controller}', namespace, name, kind, exposed_outside: exposed, isolated_ingress: isolated, isolated_egress: false });

const workloads = [
  end('observability', 'elasticsearch', 'StatefulSet', true, false),
  end('observability', 'kibana', 'Deployment', true, false),
  end('shop', 'catalog', 'Deployment', false, true),
  end('shop', 'gateway', 'Deployment', true, true),
  end('shop', 'orders', 'Deployment', false, true),
  end('shop', 'orders-db', 'StatefulSet', false, true),
  end('', 'Outside the cluster', 'External', false, false),
];
const ports = ['All Connections', 'TCP 8443', 'TCP 5432'];
const inside = [0, 1, 2, 3, 4, 5, 6];
const cells = [
  ...inside.flatMap((from) => [0, 1].filter((to) => to !== from).map((to) => [from, to, 0])),
  [3, 2, 1], [3, 4, 1], [4, 5, 2], [6, 3, 1],
].sort((a, b) => a[0] - b[0] || a[1] - b[1]);

const PATCH = '--- a/demo/shop.yaml\n+++ b/demo/shop.yaml\n@@ -210,3 +210,3 @@\n         env:\n-            - {name: xpack.security.enabled, value: "false"}\n+            - {name: xpack.security.enabled, value: "true"}\n           ports: [{containerPort: 9200}]\n';
const decisions = { 'OBS-IMG-01': { decide: 'Which release was tested.', sample: 'image: registry.example.com/shop/catalog:1.4.2@sha256:<digest>\n' } };

const finding = (rule, severity, title, group, namespace, object, line, message, about) => ({ rule, title, severity, group, object, namespace, file: 'demo/shop.yaml', line, column: 3, message, evidence: ['outside the cluster => observability/elasticsearch : All Connections'], why: 'Whoever reaches the port reads and changes every index.', fix: 'Turn security on, and let only its clients in by a NetworkPolicy.', patch: decisions[rule] ? '' : PATCH, patch_omitted: false, repairs: false, decide: decisions[rule]?.decide ?? '', sample: decisions[rule]?.sample ?? '', workloads: about });

export const posture = {
  configured: true, demo: true, sources: ['demo/shop.yaml'], computed_at: new Date().toISOString(), modes: 'ipblock-pods=both-and-report hostnetwork=node-address hairpin=subject cni=unknown', incomplete: false, problems: [], notes: [], grouped: false, workloads_total: 6, workloads, ports, cells, findings_total: 3,
  findings: [
    finding('OBS-ES-01', 'critical', 'Security is off', 'Elasticsearch, Kibana, APM Server', 'observability', 'StatefulSet observability/elasticsearch', 210, 'xpack.security.enabled is false', [0]),
    finding('OBS-NP-01', 'high', 'No policy isolates the workload', 'Isolation and policies', 'observability', 'Deployment observability/kibana', 230, 'every pod may connect to it', [1]),
    finding('OBS-IMG-01', 'low', 'The image has no fixed version', 'Pods, hosts, identities, images', 'shop', 'Deployment shop/catalog', 80, 'latest may be another image tomorrow', [2]),
  ],
};

export function explained(source, destination, protocol, port) {
  const index = (id) => workloads.findIndex((one) => one.id === id);
  const [from, to] = [index(source), index(destination)];
  if (from < 0 || to < 0) return null;
  const cell = cells.find((one) => one[0] === from && one[1] === to);
  const allowed = cell !== undefined && (cell[2] === 0 || ports[cell[2]] === `${protocol} ${port}`);
  const side = (name, ok) => ({ side: name, allowed: ok, decision: ok ? 'a NetworkPolicy allows it' : 'isolated, and no rule matches', steps: [`NetworkPolicy shop/services ingress rule 1: ${ok ? 'allows it' : 'has neither this peer nor this port'}`], changes: ok ? [] : ['a rule of shop/services with this peer and port'] });
  return { allowed, modes: posture.modes, verdicts: [{ source, destination, protocol, port, allowed, sides: [side('Egress', true), side('Ingress', allowed)], notes: [], text: `${source} => ${destination} at ${protocol} ${port}: ${allowed ? 'allowed' : 'denied'}\n` }] };
}

export function policyOf(namespace) {
  const yaml = `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: default-deny\n  namespace: ${namespace}\nspec:\n  podSelector: {}\n  policyTypes: [Ingress, Egress]\n`;
  return { namespace, yaml, proved: true, declared: 3, pairs: 42, unproved: [], notes: [] };
}
