/** Numbers and times as people read them. Unknown values are an en dash, never `NaN`. */

export const NOTHING = '–';

const SI = ['', 'k', 'M', 'G', 'T'];
const IEC = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1234` → `1.23k`. Small whole numbers stay whole. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  if (Number.isInteger(value) && Math.abs(value) < 10_000) return value.toLocaleString('en');
  return scaled(value, 1000, SI);
}

/** `1234567` → `1,234,567`. */
export function exact(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? NOTHING : value.toLocaleString('en');
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  return scaled(value, 1024, IEC, ' ');
}

export function perSecond(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  return `${value === 0 ? '0' : Math.abs(value) < 1000 ? significant(value) : scaled(value, 1000, SI)}/s`;
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return NOTHING;
  const share = (100 * part) / whole;
  if (share === 0) return '0 %';
  if (share < 0.01) return '< 0.01 %';
  return `${share < 10 ? Number(share.toFixed(2)) : share.toFixed(1)} %`;
}

export function durationMs(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : durationNs(value * 1e6);
}

/** `1500` → `1.5 µs`, `93_000_000_000` → `1 m 33 s`. */
export function durationNs(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size === 0) return '0 ms';
  if (size < 1e3) return `${significant(value)} ns`;
  if (size < 1e6) return `${significant(value / 1e3)} µs`;
  if (size < 1e9) return `${significant(value / 1e6)} ms`;
  if (size < 60e9) return `${significant(value / 1e9)} s`;
  return seconds(value / 1e9);
}

/** A length of time in its two largest units. */
export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  if (value < 60) return `${value < 10 && value > 0 ? Number(value.toFixed(1)) : Math.round(value)} s`;
  const whole = Math.round(value);
  const parts: [number, string][] = [
    [Math.floor(whole / 31_536_000), 'y'],
    [Math.floor((whole % 31_536_000) / 86_400), 'd'],
    [Math.floor((whole % 86_400) / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'm'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(' ');
}

/** `12 s ago`, by the clock given. */
export function ago(ts: string | null | undefined, nowMs: number): string {
  if (!ts) return NOTHING;
  const age = (nowMs - Date.parse(ts)) / 1000;
  if (Number.isNaN(age)) return NOTHING;
  if (age < 1) return 'just now';
  return `${seconds(age < 60 ? Math.floor(age) : age)} ago`;
}

/** Local time of day with milliseconds; the day too if it isn't today's. */
export function clock(ts: string, nowMs: number): string {
  const at = new Date(ts);
  if (Number.isNaN(at.getTime())) return ts;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  return new Date(nowMs).toDateString() === at.toDateString() ? time : `${monthDay(at)} ${time}`;
}

/** Local date and time, to the second. */
export function dateTime(ts: string | null | undefined): string {
  if (!ts) return NOTHING;
  const at = new Date(ts);
  if (Number.isNaN(at.getTime())) return ts;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** A metric's value in its UCUM unit as far as we know it. */
export function withUnit(value: number | null | undefined, unit: string | null): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  switch (unit) {
    case 'By':
      return bytes(value);
    case 'By/s':
      return `${bytes(value)}/s`;
    case 's':
      return durationNs(value * 1e9);
    case 'ms':
      return durationNs(value * 1e6);
    case 'us':
    case 'µs':
      return durationNs(value * 1e3);
    case 'ns':
      return durationNs(value);
    case '%':
      return `${significant(value)} %`;
    case '1/s':
    case '/s':
      return perSecond(value);
    case null:
    case '':
    case '1':
      return number(value);
    default:
      return `${number(value)} ${unit.replace(/[{}]/g, '')}`;
  }
}

function number(value: number): string {
  return Math.abs(value) >= 10_000 ? scaled(value, 1000, SI) : significant(value);
}

function scaled(value: number, base: number, units: string[], gap = ''): string {
  let rest = value;
  let step = 0;
  while (Math.abs(rest) >= base && step < units.length - 1) {
    rest /= base;
    step += 1;
  }
  return `${significant(rest)}${gap}${units[step] ?? ''}`;
}

/** Three significant digits, without trailing zeros. */
function significant(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function monthDay(at: Date): string {
  return `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** What was never released carries the workspace's version, which is none. */
export function versionName(version: string): string {
  return version === '0.0.0' ? 'development build' : `version ${version}`;
}
