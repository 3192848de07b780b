import type { CSSProperties } from 'react';
import type { StatusClass } from '../api/types';

/** Colours by meaning; the values are in styles/base.css. */

export const STATUS_CLASSES: readonly StatusClass[] = ['2xx', '3xx', '4xx', '5xx', 'other'];

export function statusClass(status: number | null | undefined): StatusClass {
  switch (Math.floor((status ?? 0) / 100)) {
    case 2:
      return '2xx';
    case 3:
      return '3xx';
    case 4:
      return '4xx';
    case 5:
      return '5xx';
    default:
      return 'other';
  }
}

export function statusColor(of: StatusClass): string {
  return `var(--data-${of})`;
}

export type Severity = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'unspecified';

/** By OTLP's severity numbers: four to a name. Unset is `unspecified`, as the histogram calls it. */
export function severityOf(number: number | null): Severity {
  const names: Severity[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
  return number === null || number < 1 ? 'unspecified' : (names[Math.floor((number - 1) / 4)] ?? 'fatal');
}

export function severityColor(name: string): string {
  const known = /^(trace|debug|info|warn|error|fatal)/.exec(name.toLowerCase());
  return known ? `var(--sev-${known[1]})` : 'var(--data-other)';
}

const HUES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;

/** The n-th colour of an unordered set. */
export function hue(index: number): string {
  return `var(--data-${HUES[index % HUES.length] ?? 'a'})`;
}

/** A colour for each name, the same whatever order they come in. */
export function hues(names: Iterable<string>): Map<string, string> {
  return new Map([...new Set(names)].sort().map((name, i) => [name, hue(i)]));
}

/** For `.dot`, `.swatch` and `.meter`. */
export function dot(color: string): CSSProperties {
  return { '--dot': color } as CSSProperties;
}
