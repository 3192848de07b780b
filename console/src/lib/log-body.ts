/** How a line's body is shown: its message, and what else a logger that writes JSON has put around it. */
export interface BodyView {
  message: string;
  fields: [string, string][];
}

const MESSAGE_KEYS = ['msg', 'message', 'body', 'event', 'log'];
/** Shown in columns of their own. */
const SHOWN_ELSEWHERE = new Set(['time', 'timestamp', '@timestamp', 'ts', 'level', 'severity', 'severity_text', 'lvl', 'log.level', 'trace_id', 'traceId', 'trace.id', 'span_id', 'spanId', 'span.id']);

export function viewBody(body: string): BodyView {
  const object = objectOf(body);
  if (!object) return { message: body, fields: [] };
  const nested = object.fields;
  const flat = isObject(nested) ? { ...object, fields: undefined, ...nested } : object;
  const key = MESSAGE_KEYS.find((name) => typeof flat[name] === 'string');
  if (key === undefined) return { message: body, fields: [] };
  const fields = Object.entries(flat)
    .filter(([name, value]) => name !== key && value !== undefined && !SHOWN_ELSEWHERE.has(name))
    .map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  return { message: flat[key] as string, fields };
}

/** The body for reading: JSON is indented, anything else stays as it is. */
export function prettyBody(body: string): string {
  const object = objectOf(body);
  return object ? JSON.stringify(object, null, 2) : body;
}

function objectOf(body: string): Record<string, unknown> | null {
  if (!body.startsWith('{') || !body.trimEnd().endsWith('}')) return null;
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a search looks for, as something to mark in the lines found; null if nothing. */
export function searchedFor(q: string): RegExp | null {
  const words = [...q.matchAll(/(-?)(?:"([^"]*)"?|(\S+))/g)].filter(([, minus]) => minus === '').map(([, , phrase, word]) => phrase ?? word ?? '');
  const escaped = words.filter((word) => word !== '').map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return escaped.length === 0 ? null : new RegExp(`(${escaped.join('|')})`, 'gi');
}
