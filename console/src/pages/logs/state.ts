import type { Params } from '../../api/client';
import type { LogField, LogRow } from '../../api/types';
import { conditionsOf, filterParam } from '../../lib/conditions';
import { pick } from '../../lib/url-state';
import type { TimeRange } from '../../lib/time-range';

/** Filters that have a parameter of their own, by the column that they are about. */
export const FIELD_PARAMS = {
  service_name: 'service',
  k8s_namespace_name: 'namespace',
  k8s_pod_name: 'pod',
  k8s_container_name: 'container',
} as const satisfies Record<LogField, string>;

export const FIELD_LABELS: readonly [LogField, string][] = [
  ['service_name', 'Service'],
  ['k8s_namespace_name', 'Namespace'],
  ['k8s_pod_name', 'Pod'],
  ['k8s_container_name', 'Container'],
];

export const SEVERITIES: readonly { label: string; min: string }[] = [
  { label: 'All severities', min: '' },
  { label: 'Debug and above', min: '5' },
  { label: 'Info and above', min: '9' },
  { label: 'Warn and above', min: '13' },
  { label: 'Error and above', min: '17' },
  { label: 'Fatal', min: '21' },
];

const KEYS = ['q', 'severity_min', 'service', 'namespace', 'pod', 'container', 'trace_id'] as const;

/** What the API is asked with, from what the address says. */
export function logParams(params: URLSearchParams, range: TimeRange): Params {
  return { ...range, ...pick(params, KEYS), filter: filterParam(conditionsOf(params.getAll('where'))) };
}

export function isFiltered(params: URLSearchParams): boolean {
  return params.has('where') || KEYS.some((key) => params.has(key));
}

export const CLEARED = { ...Object.fromEntries(KEYS.map((key) => [key, null])), where: null };

export function rowKey(row: LogRow): string {
  return String(row.seq);
}
