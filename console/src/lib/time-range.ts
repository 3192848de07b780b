/**
 * The range of time that a page looks at, as it stands in the URL: `from` and `to`, each relative (`now-15m`, `now`)
 * or RFC 3339. A relative range moves with the clock; an absolute one shows the same data to everybody.
 */
export type TimeRange = {
  from: string;
  to: string;
};

export interface Span {
  fromMs: number;
  toMs: number;
}

export const DEFAULT_RANGE: TimeRange = { from: 'now-15m', to: 'now' };

export const PRESETS: readonly { label: string; from: string }[] = [
  { label: 'Last 5 minutes', from: 'now-5m' },
  { label: 'Last 15 minutes', from: 'now-15m' },
  { label: 'Last 1 hour', from: 'now-1h' },
  { label: 'Last 6 hours', from: 'now-6h' },
  { label: 'Last 24 hours', from: 'now-24h' },
  { label: 'Last 7 days', from: 'now-7d' },
  { label: 'Last 30 days', from: 'now-30d' },
  { label: 'Last 90 days', from: 'now-90d' },
];

const UNIT_MS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 604_800e3 };
const RELATIVE = /^now(?:-(\d{1,6})([smhdw]))?$/;

/** Milliseconds since the epoch, or null if `text` is no time. */
export function parseBound(text: string, nowMs: number): number | null {
  const relative = RELATIVE.exec(text.trim());
  if (relative) {
    const [, count, unit] = relative;
    return count && unit ? nowMs - Number(count) * (UNIT_MS[unit] ?? 0) : nowMs;
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(text.trim())) return null;
  const at = Date.parse(text.trim().replace(/^(\d{4}-\d{2}-\d{2}) (\d)/, '$1T$2'));
  return Number.isNaN(at) ? null : at;
}

export function isRelative(range: TimeRange): boolean {
  return RELATIVE.test(range.to) && RELATIVE.test(range.from);
}

/** Both ends as instants; a range that can't be read is the default one. */
export function resolve(range: TimeRange, nowMs: number): Span {
  const fromMs = parseBound(range.from, nowMs);
  const toMs = parseBound(range.to, nowMs);
  if (fromMs === null || toMs === null || fromMs >= toMs) return { fromMs: nowMs - 900e3, toMs: nowMs };
  return { fromMs, toMs };
}

/** Why a range that somebody typed can't be used, or null if it can. */
export function problemWith(range: TimeRange, nowMs: number): string | null {
  const fromMs = parseBound(range.from, nowMs);
  const toMs = parseBound(range.to, nowMs);
  if (fromMs === null) return 'From is neither like now-2h nor like 2026-01-31 09:00';
  if (toMs === null) return 'To is neither like now nor like 2026-01-31 09:00';
  if (fromMs >= toMs) return 'From must be before To';
  return null;
}

/** What was typed as it goes into the URL: relative stays, a local time becomes an instant. */
export function normalizeBound(text: string, nowMs: number): string {
  const trimmed = text.trim();
  if (RELATIVE.test(trimmed)) return trimmed;
  const at = parseBound(trimmed, nowMs);
  return at === null ? trimmed : new Date(at).toISOString();
}

export function fromParams(params: URLSearchParams): TimeRange {
  const range = { from: params.get('from') ?? DEFAULT_RANGE.from, to: params.get('to') ?? DEFAULT_RANGE.to };
  return problemWith(range, Date.now()) === null ? range : DEFAULT_RANGE;
}

export function absolute(fromMs: number, toMs: number): TimeRange {
  return { from: new Date(Math.floor(fromMs)).toISOString(), to: new Date(Math.ceil(toMs)).toISOString() };
}

/** `ts` with some room on both sides, for "what else happened then". */
export function around(ts: string, roomMs: number): TimeRange {
  const at = Date.parse(ts);
  return absolute(at - roomMs, at + roomMs);
}

/** How the range is called on the picker's button. */
export function describe(range: TimeRange): string {
  if (range.to === 'now') {
    const preset = PRESETS.find((p) => p.from === range.from);
    if (preset) return preset.label;
    if (RELATIVE.test(range.from)) return `Last ${range.from.slice(4)}`;
  }
  return `${shortBound(range.from)} – ${shortBound(range.to)}`;
}

function shortBound(bound: string): string {
  if (RELATIVE.test(bound)) return bound;
  return new Date(bound).toLocaleString(undefined, {
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
}
