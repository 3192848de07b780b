// The console's contract, answered from made-up data. For development and for proving the browser tests; binds loopback.
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readFileSync, statSync, unwatchFile, watchFile } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { createHash, X509Certificate } from 'node:crypto';
import { explained, policyOf, posture } from './mock-posture.mjs';
import { criLine, db, fill, hex, iso, request } from './mock-data.mjs';

const DIST = new URL('../dist/', import.meta.url).pathname;
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const USER = 'admin';
const PASSWORD = 'correct horse';
const sessions = new Map();
const followers = new Set();
const tokens = [
  { id: 'k3v9', name: 'otel collector', scopes: ['ingest'], created_at: iso(Date.now() - 86400e3 * 12), last_used_at: iso(Date.now() - 4000), expires_at: null },
  { id: 'p8d2', name: 'grafana', scopes: ['read'], created_at: iso(Date.now() - 86400e3 * 3), last_used_at: null, expires_at: iso(Date.now() + 86400e3 * 27) },
];

class Problem extends Error {
  constructor(status, title, detail) {
    super(title);
    Object.assign(this, { status, detail });
  }
}

function bound(text, fallback) {
  if (!text) return fallback;
  const relative = /^now(?:-(\d+)([smhdw]))?$/.exec(text);
  if (relative) return Date.now() - (relative[1] ? Number(relative[1]) * { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 604800e3 }[relative[2]] : 0);
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new Problem(400, 'Bad request', `from/to: ${text} is no time`);
  return at;
}
const range = (p) => ({ from: bound(p.get('from'), Date.now() - 900e3), to: bound(p.get('to'), Date.now()) });

function matches(filter, row) {
  if (filter.and) return filter.and.every((f) => matches(f, row));
  if (filter.not) return !matches(filter.not, row);
  const { field, value } = filter.eq;
  const dotted = /^(attributes|resource)\.(.*)$/.exec(field);
  return (dotted ? row[dotted[1]]?.[dotted[2]] : row[field]) === value;
}

function logFilter(p) {
  const { from, to } = range(p);
  const words = [...(p.get('q') ?? '').toLowerCase().matchAll(/(-?)(?:"([^"]*)"|(\S+))/g)].map((m) => ({ not: m[1] === '-', text: m[2] ?? m[3] }));
  const eq = Object.entries({ service: 'service_name', namespace: 'k8s_namespace_name', pod: 'k8s_pod_name', container: 'k8s_container_name', trace_id: 'trace_id' }).filter(([key]) => p.get(key));
  const filter = p.get('filter') ? JSON.parse(p.get('filter')) : null;
  return (row) =>
    row.ms >= from && row.ms < to && (row.severity_number ?? 0) >= Number(p.get('severity_min') ?? 0) &&
    words.every((w) => row.body.toLowerCase().includes(w.text) !== w.not) && eq.every(([key, column]) => row[column] === p.get(key)) && (!filter || matches(filter, row));
}

/** A page of `list` (oldest first) from its end; the cursor is a seq. */
function page(list, keep, p, seqOf, shape) {
  const limit = Math.min(Number(p.get('limit') ?? 100), 1000);
  const before = p.get('cursor') ? Number(p.get('cursor')) : Infinity;
  const rows = [];
  for (let i = list.length - 1; i >= 0 && rows.length <= limit; i -= 1) if (i < before && keep(list[i])) rows.push([i, list[i]]);
  const more = rows.length > limit;
  const shown = rows.slice(0, limit);
  return { rows: shown.map(([, row]) => shape(row)), next_cursor: more ? String(shown.at(-1)[0]) : null, scanned_until: null, complete: !more };
}

const bareLog = ({ ms: _ms, ...row }) => row;

function grid(p, fallback) {
  const { from, to } = range(p);
  const wanted = (to - from) / 1000 / Number(p.get('buckets') ?? fallback);
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400].find((s) => s >= wanted) ?? 86400;
  const start = Math.floor(from / 1000 / step) * step;
  const n = Math.ceil((to / 1000 - start) / step);
  return { step, start, n, index: (ms) => Math.floor((ms / 1000 - start) / step), ts: (i) => iso((start + i * step) * 1000) };
}

const SEVERITIES = ['FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE', 'UNSPECIFIED'];
const severity = (n) => (n ? ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'][Math.floor((n - 1) / 4)] : 'UNSPECIFIED');

function histogram(p) {
  const g = grid(p, 60);
  const buckets = Array.from({ length: g.n }, (_, i) => ({ ts: g.ts(i), counts: {} }));
  const keep = logFilter(p);
  const seen = new Set();
  for (const row of db.logs) {
    if (!keep(row)) continue;
    const name = severity(row.severity_number);
    seen.add(name);
    const bucket = buckets[g.index(row.ms)];
    if (bucket) bucket.counts[name] = (bucket.counts[name] ?? 0) + 1;
  }
  return { interval_seconds: g.step, series: SEVERITIES.filter((s) => seen.has(s)), buckets };
}

const quantile = (sorted, q) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : null);
function percentiles(list) {
  const sorted = list.map((e) => e.row.duration_ms).sort((a, b) => a - b);
  return { p50_ms: quantile(sorted, 0.5), p95_ms: quantile(sorted, 0.95), p99_ms: quantile(sorted, 0.99) };
}
const errors = (list) => list.filter((e) => e.row.http_status >= 500).length;
const sum = (list, key) => list.reduce((all, e) => all + e.row[key], 0);

function eventFilter(p) {
  const { from, to } = range(p);
  const filter = p.get('filter') ? JSON.parse(p.get('filter')) : null;
  return ({ ms, row }) =>
    ms >= from && ms < to && (!p.get('service') || row.service === p.get('service')) && (!p.get('operation') || row.operation === p.get('operation')) && (!p.get('app') || row.app === p.get('app')) && (!p.get('gateway') || row.gateway_name === p.get('gateway')) &&
    (!p.get('status_class') || `${Math.floor(row.http_status / 100)}xx` === p.get('status_class')) && (!p.get('q') || row.path.includes(p.get('q'))) && row.duration_ms >= Number(p.get('min_duration_ms') ?? 0) && (!filter || matches(filter, row));
}

function top(list, key) {
  const by = Map.groupBy ? Map.groupBy(list, (e) => e.row[key]) : list.reduce((m, e) => m.set(e.row[key], [...(m.get(e.row[key]) ?? []), e]), new Map());
  return [...by].filter(([name]) => name).map(([name, of]) => ({ name, requests: of.length, errors: errors(of), p95_ms: percentiles(of).p95_ms, bytes_sent: sum(of, 'bytes_sent') })).sort((a, b) => b.requests - a.requests).slice(0, 10);
}

function trafficOverview(p) {
  const g = grid(p, 60);
  const list = db.events.filter(eventFilter(p));
  const slots = Array.from({ length: g.n }, () => []);
  for (const event of list) slots[g.index(event.ms)]?.push(event);
  const codes = new Map();
  for (const e of list) codes.set(e.row.http_status, (codes.get(e.row.http_status) ?? 0) + 1);
  return {
    interval_seconds: g.step, source: 'raw',
    totals: { requests: list.length, errors: errors(list), bytes_sent: sum(list, 'bytes_sent'), bytes_received: sum(list, 'bytes_received'), ...percentiles(list) },
    buckets: slots.map((of, i) => {
      const by_class = { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0, other: 0 };
      for (const e of of) by_class[`${Math.floor(e.row.http_status / 100)}xx`] += 1;
      return { ts: g.ts(i), requests: of.length, by_class, ...percentiles(of) };
    }),
    top_services: top(list, 'service'), top_operations: top(list, 'operation'), top_apps: top(list, 'app'),
    status_codes: [...codes].map(([status, requests]) => ({ status, requests })).sort((a, b) => b.requests - a.requests),
  };
}

function traceList(p) {
  const { from, to } = range(p);
  const list = [...db.traces.values()];
  const filter = p.get('filter') ? JSON.parse(p.get('filter')) : null;
  return page(list, ({ row, spans }) => (!filter || spans.some((span) => matches(filter, span))) && row.ms >= from && row.ms < to && (!p.get('service') || row.services.includes(p.get('service'))) && (!p.get('q') || row.root_name.toLowerCase().includes(p.get('q').toLowerCase())) && (p.get('status') !== 'error' || row.error_count > 0) && row.duration_ms >= Number(p.get('min_duration_ms') ?? 0), p, null, ({ row: { ms: _ms, ...row } }) => row);
}

const METRICS = [
  ['http.server.request.duration', 'histogram', 's', 'How long requests take'], ['http.server.active_requests', 'sum', '{request}', 'Requests being served'], ['system.cpu.utilization', 'gauge', '1', 'Share of the CPU in use'],
  ['system.memory.usage', 'gauge', 'By', 'Memory in use'], ['system.network.io', 'sum', 'By', 'Bytes over the network'], ['parapet_store_rows_total', 'sum', '{row}', 'Rows that were stored'], ['parapet_collect_lag_bytes', 'gauge', 'By', 'Bytes that wait to be read'],
  ['process.runtime.jvm.gc.duration', 'histogram', 'ms', 'Garbage collection'], ['queue.depth', 'gauge', '{message}', 'Messages that wait'],
];
function series(p) {
  const g = grid(p, 60);
  const metric = METRICS.find(([name]) => name === p.get('name'));
  if (!metric) throw new Problem(404, 'Not found', `no metric is called ${p.get('name')}`);
  const scale = { By: 3e8, s: 0.03, ms: 12, 1: 0.4 }[metric[2]] ?? 40;
  const groups = p.get('group_by') ? ['orders', 'catalogue', 'payments', 'gateway'] : [null];
  return { name: metric[0], unit: metric[2], kind: metric[1], interval_seconds: g.step, series: groups.map((group, k) => ({ labels: group ? { [p.get('group_by')]: group } : {}, points: Array.from({ length: g.n }, (_, i) => [g.ts(i), i === 7 ? null : scale * (1 + k * 0.4 + 0.35 * Math.sin((g.start + i * g.step) / 400 + k) + 0.1 * Math.sin(i * 7.3 + k))]) })) };
}

function status() {
  const refused = [{ reason: 'too_old', rows: 12 }];
  const seconds = (Date.now() - db.started) / 1000;
  return {
    version: '0.1.0', started_at: iso(db.started), demo: true,
    signals: [['logs', db.logs.length, 5.2], ['spans', db.traces.size * 6, 9.4], ['metrics', 48211, 31], ['traffic', db.events.length * 4, 6.3]].map(([signal, rows_total, rate], i) => ({ signal, rows_total, rows_per_second: rate * (1 + 0.3 * Math.sin(seconds / 7 + i)), refused: i === 0 ? refused : [], last_ts: iso(Date.now() - 900) })),
    receivers: [{ name: 'otlp-grpc', kind: 'otlp_grpc', address: '127.0.0.1:4317', accepted_total: 18211, refused: [{ reason: 'unauthenticated', count: 2 }] }, { name: 'otlp-http', kind: 'otlp_http', address: '127.0.0.1:4318', accepted_total: 411, refused: [] }],
    sources: [
      { kind: 'container', path: '/var/log/pods/shop_orders-5d9c_0a1b/orders/0.log', lag_bytes: 0, oldest_unread_age_seconds: null, state: 'idle' },
      { kind: 'container', path: '/var/log/pods/shop_payments-77f_9c2d/payments/0.log', lag_bytes: 18432, oldest_unread_age_seconds: 1.4, state: 'reading' },
      { kind: 'open_traffic', path: '/var/log/opentraffic/edge-1_traffic.log', lag_bytes: 0, oldest_unread_age_seconds: null, state: 'idle' },
      { kind: 'container', path: '/var/log/pods/shop_catalogue-1_aa/catalogue/2.log', lag_bytes: 0, oldest_unread_age_seconds: null, state: 'draining' },
    ],
    store: { disk_bytes: 412e6, disk_free_bytes: 81e9, wal_bytes: 33e6, memtable_bytes: 9.4e6, segments: 38, rows: 1204551, oldest_ts: iso(Date.now() - 86400e3 * 6.2), newest_ts: iso(Date.now()), retention: [{ signal: 'logs', days: 14 }, { signal: 'spans', days: 7 }, { signal: 'metrics', days: 30 }, { signal: 'traffic', days: 30 }], failed: null },
    recovery: { frames: 1822, torn_bytes: 0, took_ms: 84 },
    certificates: [{ name: 'server', not_after: iso(Date.now() + 86400e3 * 89) }, { name: 'ca', not_after: iso(Date.now() + 86400e3 * 3649) }],
    secrets: [{ name: 'file admin/password', version: 'b1946ac9', age_seconds: 12, stale: false, required: true, failures: 0, last_failure: null, users: [{ name: 'admin password', applied: 'b1946ac9', refused: null }] }],
  };
}

function sql({ query }) {
  if (/^\s*(insert|update|delete|create|drop|copy)/i.test(query)) throw new Problem(403, 'Not allowed', 'only queries that read are allowed here: SELECT, WITH, EXPLAIN, SHOW');
  if (!/select/i.test(query)) throw new Problem(400, 'Bad query', `SQL error: expected a statement, found: ${query.trim().split(/\s/)[0] ?? 'nothing'} at line 1, column 1`);
  if (/attributes\b.*from metrics/is.test(query)) return { columns: [{ name: 'attributes', type: 'Utf8' }], rows: [['{"http.route":"/orders","http.request.method":"GET"}']], truncated: false, elapsed_ms: 3 };
  const by = new Map();
  for (const row of db.logs) by.set(`${row.service_name} ${severity(row.severity_number)}`, (by.get(`${row.service_name} ${severity(row.severity_number)}`) ?? 0) + 1);
  return { columns: [{ name: 'service_name', type: 'Utf8' }, { name: 'severity', type: 'Utf8' }, { name: 'lines', type: 'Int64' }, { name: 'share', type: 'Float64' }], rows: [...by].map(([key, n]) => [...key.split(' '), n, n / db.logs.length]).sort((a, b) => b[2] - a[2]), truncated: false, elapsed_ms: 12 };
}

function session(req) {
  const id = /__Host-parapet=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
  return id ? sessions.get(id) : undefined;
}

async function body(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
}

async function api(req, res, url) {
  const path = url.pathname.slice('/api/v1'.length);
  const p = url.searchParams;
  const route = `${req.method} ${path}`;
  if (route === 'POST /session') {
    const { username, password } = await body(req);
    if (username !== USER || password !== PASSWORD) throw new Problem(401, 'Not signed in', 'User name or password is wrong.');
    const one = { user: { name: USER, role: 'admin' }, csrf_token: hex(32), expires_at: iso(Date.now() + 8 * 3600e3) };
    const id = hex(32);
    sessions.set(id, one);
    res.setHeader('set-cookie', `__Host-parapet=${id}; Secure; HttpOnly; SameSite=Strict; Path=/`);
    return one;
  }
  if (route === 'GET /openapi.json') {
    const filtered = { get: { parameters: [{ name: 'filter', in: 'query' }] } };
    return { openapi: '3.1.0', paths: { '/api/v1/logs': filtered, '/api/v1/traffic/events': filtered } };
  }
  const who = session(req);
  if (!who) throw new Problem(401, 'Not signed in', 'Sign in first.');
  if (req.method !== 'GET' && req.headers['x-csrf-token'] !== who.csrf_token) throw new Problem(403, 'Not allowed', 'the x-csrf-token header is missing or wrong');
  if (route === 'GET /session') return who;
  if (route === 'DELETE /session') return sessions.clear(), null;
  if (route === 'GET /logs') return page(db.logs, logFilter(p), p, (r) => r.seq, bareLog);
  if (route === 'GET /logs/histogram') return histogram(p);
  if (route === 'GET /logs/follow') return follow(res, p);
  if (path.startsWith('/logs/fields/')) {
    const field = path.split('/').pop();
    const counts = new Map();
    const keep = logFilter(p);
    for (const row of db.logs) if (row[field] && keep(row)) counts.set(row[field], (counts.get(row[field]) ?? 0) + 1);
    return { values: [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count) };
  }
  if (route === 'GET /traces') return traceList(p);
  if (path.startsWith('/traces/')) {
    const trace = db.traces.get(path.split('/').pop());
    if (!trace) throw new Problem(404, 'Not found', 'no span of this trace is stored');
    return { trace_id: trace.trace_id, spans: trace.spans.map(({ ms: _ms, ...s }) => s), truncated: false };
  }
  if (route === 'GET /traffic/overview') return trafficOverview(p);
  if (route === 'GET /traffic/events') return page(db.events, eventFilter(p), p, null, (e) => e.row);
  if (path.startsWith('/traffic/events/')) {
    const event = db.events.find((e) => e.row.correlation_id === path.split('/').pop());
    if (!event) throw new Problem(404, 'Not found', 'no event has this correlation id');
    return event.detail;
  }
  if (route === 'GET /metrics/names') return { metrics: METRICS.filter(([name]) => name.includes(p.get('q') ?? '')).map(([name, kind, unit, description]) => ({ name, kind, unit, description, series: 4 })) };
  if (route === 'GET /metrics/series') return series(p);
  if (route === 'POST /sql') return sql(await body(req));
  if (route === 'GET /posture') return posture;
  if (route === 'GET /posture/explain') {
    const answer = explained(p.get('source'), p.get('destination'), p.get('protocol') ?? 'TCP', Number(p.get('port')));
    if (!answer) throw new Problem(404, 'Not found', 'no such workload is in the manifests');
    return answer;
  }
  if (route === 'GET /posture/policy') return policyOf(p.get('namespace'));
  if (route === 'GET /status') return status();
  if (route === 'GET /tokens') return { tokens };
  if (route === 'POST /tokens') {
    const asked = await body(req);
    if (!asked.name) throw new Problem(422, 'Not valid', 'name: must not be empty');
    const token = { id: hex(4), name: asked.name, scopes: asked.scopes, created_at: iso(Date.now()), last_used_at: null, expires_at: asked.expires_in_days ? iso(Date.now() + asked.expires_in_days * 86400e3) : null };
    tokens.push(token);
    res.statusCode = 201;
    return { token, secret: `ppt_${token.id}_${hex(40)}` };
  }
  if (req.method === 'DELETE' && path.startsWith('/tokens/')) return tokens.splice(tokens.findIndex((t) => t.id === path.split('/').pop()), 1), null;
  throw new Problem(404, 'Not found', `${route} is not part of the API`);
}

function follow(res, p) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  res.write(': following\n\n');
  p.delete('from');
  const one = { res, keep: (row) => { const q = new URLSearchParams(p); q.set('from', 'now-1h'); return logFilter(q)(row); } };
  followers.add(one);
  res.on('close', () => followers.delete(one));
  return undefined;
}

function asset(res, path) {
  const file = normalize(join(DIST, path));
  const found = file.startsWith(DIST) && existsSync(file) && statSync(file).isFile() ? file : join(DIST, 'index.html');
  res.writeHead(200, { 'content-type': TYPES[extname(found)] ?? 'application/octet-stream', 'content-security-policy': CSP, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  createReadStream(found).pipe(res);
}

/** A key pair for this run alone. */
function certificate() {
  const dir = mkdtempSync(join(tmpdir(), 'console-mock-'));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')], { stdio: 'ignore' });
  return { key: readFileSync(join(dir, 'key.pem')), cert: readFileSync(join(dir, 'cert.pem')), dir };
}

/** Starts it; `logFile` is followed like a container's log. */
export async function start({ port = 0, logFile } = {}) {
  fill();
  const { key, cert, dir } = certificate();
  const server = createServer({ key, cert }, (req, res) => {
    const url = new URL(req.url, 'https://localhost');
    // The real server keeps these to itself; a page of the console must not be called like them.
    if (/^\/(metrics|livez|readyz)$/.test(url.pathname)) return res.writeHead(401).end();
    if (!url.pathname.startsWith('/api/')) return asset(res, decodeURIComponent(url.pathname));
    api(req, res, url)
      .then((answer) => {
        if (answer === undefined) return;
        if (answer === null) return res.writeHead(204).end();
        res.writeHead(res.statusCode, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(answer));
      })
      .catch((error) => {
        const status = error.status ?? 500;
        res.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ type: 'about:blank', title: error.message, status, detail: error.detail ?? String(error.stack) }));
      });
  });
  const publish = (before) => {
    for (const row of db.logs.slice(before)) for (const one of followers) if (one.keep(row)) one.res.write(`id: ${row.seq}\nevent: row\ndata: ${JSON.stringify(bareLog(row))}\n\n`);
  };
  const timer = setInterval(() => {
    const before = db.logs.length;
    request(Date.now() - 300);
    if (Math.random() < 0.6) request(Date.now() - 200);
    publish(before);
  }, 600);
  let read = 0;
  if (logFile) {
    watchFile(logFile, { interval: 100 }, () => {
      const lines = readFileSync(logFile, 'utf8').slice(read);
      read += lines.length;
      const before = db.logs.length;
      lines.split('\n').forEach(criLine);
      publish(before);
    });
  }
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  const spki = createHash('sha256').update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
  return { url: `https://127.0.0.1:${server.address().port}`, user: USER, password: PASSWORD, spki, dir, close: () => { clearInterval(timer); if (logFile) unwatchFile(logFile); server.closeAllConnections(); server.close(); } };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const running = await start({ port: Number(process.env.PORT ?? 8443), logFile: process.env.PARAPET_LOG_FILE });
  process.stdout.write(`${JSON.stringify(running)}\n`);
}
