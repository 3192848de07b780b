// A small made-up system, for working on the console without a server. Development only: nothing here is shipped.
const HOUR = 3600e3;
let seed = 42;
function random() {
  seed = (seed * 1664525 + 1013904223) % 4294967296;
  return seed / 4294967296;
}
const pick = (list) => list[Math.floor(random() * list.length)];
const hex = (digits) => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
/** Log-normal-ish: most near `typical`, some far above. */
const skewed = (typical) => typical * Math.exp(1.1 * (random() + random() + random() - 1.5));
const iso = (ms) => new Date(ms).toISOString().replace(/Z$/, `${String(Math.floor((ms % 1) * 1000)).padStart(3, '0')}Z`);

const APIS = [
  { service: 'Orders', base: '/orders/v1', upstream: 'orders', operations: [['listOrders', 'GET', '/orders/v1/orders', 22], ['getOrder', 'GET', '/orders/v1/orders/{id}', 14], ['createOrder', 'POST', '/orders/v1/orders', 58], ['cancelOrder', 'DELETE', '/orders/v1/orders/{id}', 31]] },
  { service: 'Catalogue', base: '/catalogue/v2', upstream: 'catalogue', operations: [['searchItems', 'GET', '/catalogue/v2/items', 35], ['getItem', 'GET', '/catalogue/v2/items/{id}', 9]] },
  { service: 'Payments', base: '/payments/v1', upstream: 'payments', operations: [['authorise', 'POST', '/payments/v1/authorisations', 140], ['getPayment', 'GET', '/payments/v1/payments/{id}', 26]] },
];
const APPS = [['Web shop', 'Retail'], ['Mobile app', 'Retail'], ['Partner portal', 'Partners'], ['Reporting', 'Finance'], [null, null]];
const PODS = Object.fromEntries(['gateway', 'orders', 'catalogue', 'payments'].map((name) => [name, `${name}-${hex(10)}-${hex(5)}`]));
let seq = 0;

export const db = { logs: [], spans: [], traces: new Map(), events: [], started: Date.now() };

function log(ms, service, severity, text, body, extra = {}) {
  db.logs.push({
    ts: iso(ms), ms, seq: (seq += 1), severity_number: severity, severity_text: text, body, service_name: service,
    k8s_namespace_name: service === 'gateway' ? 'edge' : 'shop', k8s_pod_name: PODS[service] ?? null, k8s_container_name: service, host_name: 'node-1',
    trace_id: null, span_id: null, event_name: null, attributes: {}, resource: { 'service.name': service, 'k8s.deployment.name': service, 'service.version': '1.4.2', 'parapet.demo': true }, ...extra,
  });
}

function span(trace, parent, service, name, kind, ms, durationMs, extra = {}) {
  const one = {
    span_id: hex(16), parent_span_id: parent, name, kind, service_name: service, ts: iso(ms), ms, duration_ns: Math.round(durationMs * 1e6),
    status_code: null, status_message: null, attributes: {}, resource: { 'service.name': service, 'telemetry.sdk.language': 'rust' }, events: [], links: [], scope_name: `${service}.http`, ...extra,
  };
  trace.spans.push(one);
  return one;
}

/** One request through gateway, service and their dependencies, at `ms`. */
export function request(ms) {
  const api = random() < 0.55 ? APIS[0] : pick(APIS);
  const [operation, method, route, typical] = pick(api.operations);
  const path = route.replace('{id}', String(1000 + Math.floor(random() * 9000)));
  const [app, org] = pick(APPS);
  const roll = random();
  const trouble = Math.sin(ms / 700e3) > 0.86 && api.service === 'Payments';
  const status = trouble && roll < 0.5 ? 503 : roll < 0.012 ? 500 : roll < 0.03 ? 404 : roll < 0.045 ? 401 : roll < 0.06 ? 304 : method === 'POST' ? 201 : 200;
  const duration = Math.max(2, skewed(typical) * (trouble ? 4 : 1));
  const correlation = hex(24);
  const trace = { trace_id: hex(32), spans: [] };
  const inner = Math.max(1, duration - 3 - random() * 4);
  const bad = status >= 500;
  const root = span(trace, null, 'gateway', `${method} ${route}`, 'SERVER', ms, duration, { status_code: bad ? 'ERROR' : null, status_message: bad ? 'upstream answered 5xx' : null, attributes: { 'http.request.method': method, 'http.route': route, 'url.path': path, 'http.response.status_code': status, 'client.address': `10.0.${Math.floor(random() * 4)}.${Math.floor(random() * 250)}`, 'gateway.correlation_id': correlation } });
  span(trace, root.span_id, 'gateway', 'authenticate', 'INTERNAL', ms + 0.4, 0.8 + random());
  if (status !== 401) {
    const call = span(trace, root.span_id, 'gateway', `${method} ${api.upstream}`, 'CLIENT', ms + 2, inner, { attributes: { 'server.address': `${api.upstream}.shop.svc`, 'server.port': 8443 } });
    const serve = span(trace, call.span_id, api.upstream, `${method} ${route.slice(api.base.length)}`, 'SERVER', ms + 2.6, inner - 1, { status_code: bad ? 'ERROR' : null, attributes: { 'http.route': route.slice(api.base.length), 'http.response.status_code': status } });
    const queries = 1 + Math.floor(random() * 4);
    let at = ms + 3.2;
    for (let i = 0; i < queries; i += 1) {
      const took = Math.max(0.2, ((inner - 2) * (0.3 + random())) / (queries * 1.6));
      const q = span(trace, serve.span_id, api.upstream, pick(['SELECT orders', 'SELECT items', 'INSERT audit', 'redis GET']), 'CLIENT', at, took, { scope_name: 'sqlx', attributes: { 'db.system.name': 'postgresql', 'db.query.text': 'SELECT id, state, total FROM orders WHERE id = $1' } });
      if (bad && i === queries - 1) {
        q.status_code = 'ERROR';
        q.events.push({ name: 'exception', time: iso(at + took), attributes: { 'exception.type': 'PoolTimedOut', 'exception.message': 'pool timed out while waiting for an open connection' } });
      }
      at += took + random();
    }
    const ids = { trace_id: trace.trace_id, span_id: serve.span_id };
    log(ms + 3, api.upstream, 9, 'INFO', JSON.stringify({ level: 'info', msg: `${method} ${path} started`, queue_ms: 1, trace_id: ids.trace_id }), ids);
    if (random() < 0.3) log(ms + 4, api.upstream, 5, 'DEBUG', `cache miss key=item:${path.split('/').pop()} ttl=300`, ids);
    if (duration > typical * 2.2) log(ms + duration, api.upstream, 13, 'WARN', `slow query took=${duration.toFixed(1)}ms threshold=${typical * 2}ms`, { ...ids, attributes: { 'db.query.ms': Number(duration.toFixed(1)), slow: true } });
    if (bad) log(ms + duration, api.upstream, 17, 'ERROR', `request failed: pool timed out while waiting for an open connection method=${method} path=${path} status=${status}`, { ...ids, attributes: { 'exception.type': 'PoolTimedOut', 'http.response.status_code': status } });
    else log(ms + duration, api.upstream, 9, 'INFO', `${method} ${path} ${status} ${duration.toFixed(1)}ms`, { ...ids, attributes: { 'http.request.method': method, 'http.response.status_code': status, 'http.route': route } });
  }
  log(ms + duration, 'gateway', status >= 500 ? 17 : status >= 400 ? 13 : 9, status >= 500 ? 'ERROR' : status >= 400 ? 'WARN' : 'INFO', `${method} ${path} -> ${status} in ${duration.toFixed(0)}ms correlationId=${correlation}`, { trace_id: trace.trace_id, span_id: root.span_id });

  const first = trace.spans[0];
  db.traces.set(trace.trace_id, { ...trace, row: { trace_id: trace.trace_id, ts: first.ts, ms, root_name: first.name, root_service: 'gateway', duration_ms: duration, span_count: trace.spans.length, error_count: trace.spans.filter((s) => s.status_code === 'ERROR').length, services: [...new Set(trace.spans.map((s) => s.service_name))] } });
  const final = status >= 500 ? 'Error' : status >= 400 ? 'Fail' : 'Pass';
  const sent = Math.floor(skewed(2400));
  const head = (n) => `${method} ${path} HTTP/1.1\r\nHost: ${n === 0 ? 'api.example.test' : `${api.upstream}.shop.svc`}\r\nAccept: application/json\r\nUser-Agent: shop/4.2\r\ntraceparent: 00-${trace.trace_id}-${root.span_id}-01\r\n\r\n`;
  const back = `HTTP/1.1 ${status} \r\nContent-Type: application/json\r\nCache-Control: no-store\r\nX-CorrelationID: ${correlation}\r\n\r\n`;
  const leg = (n, offset, took) => ({ leg: n, ts: iso(ms + offset), duration_ms: Math.round(took), service: api.service, operation, http_status: status, http_method: method, path: n === 0 ? path : path.slice(api.base.length), final_status: final, remote_addr: n === 0 ? root.attributes['client.address'] : '10.1.0.12', bytes_sent: sent, bytes_received: 312, trace_id: trace.trace_id, event: { leg: n, protocolInfo: { http: { uri: path, status, vhost: null, authSubjectId: app }, recvHeader: n === 0 ? head(n) : back, sentHeader: n === 0 ? back : head(n) } } });
  const legs = status === 401 ? [leg(0, 0, duration)] : [leg(0, 0, duration), leg(1, 2, inner)];
  const filters = [['Set service context', 'VApiServiceContextFilter', 0], ['HTTP Basic', 'HttpBasicFilter', 1], ['Rate limit', 'ThrottlingFilter', 0]].map(([name, type, took]) => ({ name, type, class: `com.example.circuit.${type}`, status: 'Pass', execTime: took }));
  db.events.push({
    ms,
    row: { ts: iso(ms), seq: (seq += 1), correlation_id: correlation, service: api.service, operation, http_method: method, path, http_status: status, final_status: final, duration_ms: Math.round(duration), remote_addr: root.attributes['client.address'], app, app_org: org, gateway_name: 'edge-1', trace_id: trace.trace_id, bytes_sent: sent, bytes_received: 312 },
    detail: { correlation_id: correlation, summary: { ts: iso(ms), path, protocol: 'https', final_status: final, service: api.service, operation, app, app_org: org, duration_ms: Math.round(duration), gateway_name: 'edge-1', gateway_region: 'eu-west', event: {} }, legs, circuit_path: [{ policy: 'API Broker', execTime: Math.round(duration), filters: [...filters, { name: 'Call route', type: 'VApiRoutingFilter', class: 'com.example.circuit.VApiRoutingFilter', status: final === 'Pass' ? 'Pass' : 'Fail', execTime: Math.round(inner), subPaths: [{ policy: 'Default routing', execTime: Math.round(inner), filters: [{ name: `Connect to ${api.upstream}`, type: 'ConnectToURL', status: final === 'Pass' ? 'Pass' : 'Fail', execTime: Math.round(inner), filterMessage: bad ? 'upstream answered 503' : undefined }] }] }] }], trace_ids: [trace.trace_id] },
  });
}

/** History: `perSecond` requests over the last `hours`, fuller by day's wave. */
export function fill(hours = 2, perSecond = 1.6) {
  const now = Date.now();
  for (let ms = now - hours * HOUR; ms < now; ms += (1000 / perSecond) * (0.4 + 1.2 * random()) * (1 + 0.5 * Math.sin(ms / 900e3))) request(ms);
  for (const list of [db.logs, db.events]) list.sort((a, b) => a.ms - b.ms);
}

/** A line of a container's log file in CRI form. */
export function criLine(line) {
  const [, ts, , , body] = /^(\S+) (stdout|stderr) ([FP]) (.*)$/.exec(line) ?? [];
  if (!ts) return;
  const fields = body.startsWith('{') ? JSON.parse(body) : {};
  log(Date.parse(ts), 'e2e', fields.level ? 9 : null, fields.level ?? null, body, { trace_id: fields.trace_id ?? null });
}

export { iso, hex };
