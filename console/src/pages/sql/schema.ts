/** Tables and their columns, as they stand in every query's reach. */

const IN_ALL = ['ts', 'seq', 'ingest_ts'];
const OF_SOURCE = ['service_name', 'k8s_namespace_name', 'k8s_pod_name', 'k8s_container_name', 'host_name', 'attributes', 'resource', 'scope_name'];

export const TABLES: Record<string, readonly string[]> = {
  logs: [...IN_ALL, 'observed_ts', 'severity_number', 'severity_text', 'body', 'event_name', 'trace_id', 'span_id', 'k8s_pod_uid', ...OF_SOURCE],
  spans: [...IN_ALL, 'end_ts', 'duration_ns', 'trace_id', 'span_id', 'parent_span_id', 'trace_state', 'name', 'kind', 'status_code', 'status_message', 'events', 'links', ...OF_SOURCE],
  metrics: [...IN_ALL, 'start_ts', 'name', 'description', 'unit', 'kind', 'temporality', 'monotonic', 'value', 'count', 'sum', 'min', 'max', 'detail', ...OF_SOURCE],
  traffic: [
    ...IN_ALL, 'kind', 'correlation_id', 'leg', 'service', 'operation', 'app', 'app_org', 'http_method', 'path', 'http_status', 'final_status', 'duration_ms', 'bytes_sent', 'bytes_received',
    'remote_addr', 'local_addr', 'http_vhost', 'protocol', 'protocol_src', 'auth_subject_id', 'monitored', 'gateway_name', 'gateway_region', 'gateway_version', 'hostname', 'group_id', 'group_name', 'service_id', 'trace_id', 'event',
  ],
};

export const EXAMPLES: readonly { name: string; query: string }[] = [
  {
    name: 'Lines by service and severity',
    query: `SELECT service_name, severity_text, count(*) AS lines
FROM logs
WHERE ts > now() - INTERVAL '1 hour'
GROUP BY 1, 2
ORDER BY lines DESC`,
  },
  {
    name: 'Slowest operations',
    query: `SELECT service_name, name, count(*) AS spans,
       approx_percentile_cont(duration_ns, 0.95) / 1e6 AS p95_ms
FROM spans
WHERE ts > now() - INTERVAL '1 hour'
GROUP BY 1, 2
ORDER BY p95_ms DESC
LIMIT 20`,
  },
  {
    name: 'Failed requests by API and application',
    query: `SELECT service, operation, app, http_status, count(*) AS requests
FROM traffic
WHERE kind = 'leg' AND leg = 0 AND http_status >= 400
  AND ts > now() - INTERVAL '24 hours'
GROUP BY 1, 2, 3, 4
ORDER BY requests DESC`,
  },
  {
    name: 'Metrics that arrive',
    query: `SELECT name, kind, unit, count(*) AS points, max(ts) AS newest
FROM metrics
WHERE ts > now() - INTERVAL '1 hour'
GROUP BY 1, 2, 3
ORDER BY points DESC`,
  },
];
