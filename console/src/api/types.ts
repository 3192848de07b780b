/** The HTTP contract of `/api/v1`, as the console uses it. Times are RFC 3339 in UTC with microseconds. */

export type Attributes = Record<string, unknown>;

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string | null;
  errors?: unknown;
}

export interface Session {
  user: { name: string; role: string };
  csrf_token: string;
  expires_at: string;
}

export interface LogRow {
  ts: string;
  seq: number;
  severity_number: number | null;
  severity_text: string | null;
  body: string;
  service_name: string | null;
  k8s_namespace_name: string | null;
  k8s_pod_name: string | null;
  k8s_container_name: string | null;
  host_name: string | null;
  trace_id: string | null;
  span_id: string | null;
  event_name: string | null;
  attributes: Attributes;
  resource: Attributes;
}

export interface Page<Row> {
  rows: Row[];
  next_cursor: string | null;
  scanned_until?: string | null;
  complete: boolean;
}

export interface LogHistogram {
  interval_seconds: number;
  /** Severities that occur, most severe first. */
  series: string[];
  buckets: { ts: string; counts: Record<string, number> }[];
}

export interface FieldValues {
  values: { value: string; count: number }[];
}

export type LogField = 'service_name' | 'k8s_namespace_name' | 'k8s_pod_name' | 'k8s_container_name';

export interface TraceRow {
  trace_id: string;
  ts: string;
  root_name: string | null;
  root_service: string | null;
  duration_ms: number;
  span_count: number;
  error_count: number;
  services: string[];
}

export interface Span {
  span_id: string;
  parent_span_id: string | null;
  name: string;
  kind: string | null;
  service_name: string | null;
  ts: string;
  duration_ns: number;
  status_code: string | null;
  status_message: string | null;
  attributes: Attributes;
  resource: Attributes;
  events: unknown[];
  links: unknown[];
  scope_name: string | null;
}

export interface Trace {
  trace_id: string;
  spans: Span[];
  truncated: boolean;
}

export type StatusClass = '2xx' | '3xx' | '4xx' | '5xx' | 'other';

export interface Percentiles {
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

export interface TrafficTop {
  name: string | null;
  requests: number;
  errors: number;
  p95_ms: number | null;
  bytes_sent: number;
}

export interface TrafficOverview {
  interval_seconds: number;
  source: 'rollup' | 'raw';
  totals: Percentiles & { requests: number; errors: number; bytes_sent: number; bytes_received: number };
  buckets: (Percentiles & { ts: string; requests: number; by_class: Partial<Record<StatusClass, number>> })[];
  top_services: TrafficTop[];
  top_operations: TrafficTop[];
  top_apps: TrafficTop[];
  status_codes: { status: number | null; requests: number }[];
}

export interface TrafficRow {
  ts: string;
  seq: number;
  correlation_id: string | null;
  service: string | null;
  operation: string | null;
  http_method: string | null;
  path: string | null;
  http_status: number | null;
  final_status: string | null;
  duration_ms: number | null;
  remote_addr: string | null;
  app: string | null;
  app_org: string | null;
  gateway_name: string | null;
  trace_id: string | null;
  bytes_sent: number | null;
  bytes_received: number | null;
}

export interface TrafficLeg {
  leg: number;
  ts: string;
  duration_ms: number | null;
  service: string | null;
  operation: string | null;
  http_status: number | null;
  http_method: string | null;
  path: string | null;
  final_status: string | null;
  remote_addr: string | null;
  bytes_sent: number | null;
  bytes_received: number | null;
  trace_id: string | null;
  event: unknown;
}

export interface TrafficEvent {
  correlation_id: string;
  summary: Record<string, unknown> | null;
  legs: TrafficLeg[];
  circuit_path: unknown[] | null;
  trace_ids: string[];
}

export interface MetricName {
  name: string;
  kind: string | null;
  unit: string | null;
  description: string | null;
  series?: number | null;
}

export interface MetricSeries {
  name: string;
  unit: string | null;
  kind: string | null;
  interval_seconds: number;
  series: { labels: Record<string, string | null>; points: [string, number | null][] }[];
}

export interface SqlResult {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  truncated: boolean;
  elapsed_ms: number;
}

export interface Status {
  version: string;
  started_at: string;
  demo: boolean;
  signals: {
    signal: string;
    rows_total: number;
    rows_per_second: number;
    refused: { reason: string; rows: number }[];
    last_ts: string | null;
  }[];
  receivers: {
    name: string;
    kind: string;
    address: string;
    accepted_total: number;
    refused: { reason: string; count: number }[];
  }[];
  sources: {
    kind: string;
    path: string;
    lag_bytes: number;
    oldest_unread_age_seconds: number | null;
    state: string;
  }[];
  store: {
    disk_bytes: number;
    disk_free_bytes: number;
    wal_bytes: number;
    memtable_bytes: number;
    segments: number;
    rows: number;
    oldest_ts: string | null;
    newest_ts: string | null;
    retention: { signal: string; days: number }[];
    failed: string | null;
  };
  recovery: Record<string, unknown> | null;
  certificates: { name: string; not_after: string }[];
  secrets: SecretStatus[];
}

/** A secret that is used by reference. */
export interface SecretStatus {
  name: string;
  version: string | null;
  age_seconds: number | null;
  stale: boolean;
  required: boolean;
  failures: number;
  last_failure: string | null;
  users: { name: string; applied: string | null; refused: string | null }[];
}

export type Scope = 'ingest' | 'read' | 'admin';

export interface Token {
  id: string;
  name: string;
  scopes: Scope[];
  created_at: string;
  last_used_at: string | null;
  expires_at: string | null;
}

export interface NewToken {
  name: string;
  scopes: Scope[];
  expires_in_days?: number;
}

/** Who can reach whom in the manifests that the server was given. */
export interface Posture {
  configured: boolean;
  demo: boolean;
  sources: string[];
  computed_at: string | null;
  modes: string;
  incomplete: boolean;
  problems: { severity: string; file: string; line: number; column: number; message: string }[];
  notes: string[];
  /** Each end stands for a namespace: there are too many workloads. */
  grouped: boolean;
  workloads_total: number;
  workloads: PostureWorkload[];
  ports: string[];
  /** [from, to, ports]: indices into `workloads` and `ports`. */
  cells: number[][];
  findings_total: number;
  findings: PostureFinding[];
}

export interface PostureWorkload {
  id: string;
  namespace: string;
  name: string;
  kind: string;
  exposed_outside: boolean;
  isolated_ingress: boolean;
  isolated_egress: boolean;
}

export interface PostureFinding {
  rule: string;
  title: string;
  severity: string;
  group: string;
  object: string;
  namespace: string;
  file: string;
  line: number;
  column: number;
  message: string;
  evidence: string[];
  why: string;
  fix: string;
  /** A unified diff; empty if there is none. */
  patch: string;
  patch_omitted: boolean;
  repairs: boolean;
  decide: string;
  sample: string;
  workloads: number[];
}

export interface Explained {
  allowed: boolean;
  modes: string;
  verdicts: {
    source: string;
    destination: string;
    protocol: string;
    port: number;
    allowed: boolean;
    sides: { side: string; allowed: boolean; decision: string; steps: string[]; changes: string[] }[];
    notes: string[];
    text: string;
  }[];
}

export interface GeneratedPolicy {
  namespace: string;
  yaml: string;
  proved: boolean;
  declared: number;
  pairs: number;
  unproved: string[];
  notes: string[];
}
