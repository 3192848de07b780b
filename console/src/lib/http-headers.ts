/** A start line and header fields, as a gateway logs them: raw text, CRLF separated. */
export interface HeaderText {
  start: string;
  fields: [string, string][];
}

export function parseHeaders(text: unknown): HeaderText | null {
  if (typeof text !== 'string' || text.trim() === '') return null;
  const [start = '', ...rest] = text.split(/\r?\n/);
  const fields: [string, string][] = [];
  for (const line of rest) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  return { start, fields };
}

/** The member of `value` at `path`, if every step on the way is an object. */
export function at(value: unknown, ...path: string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

/** `at`, for text. */
export function textAt(value: unknown, ...path: string[]): string | null {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : typeof found === 'number' || typeof found === 'boolean' ? String(found) : null;
}
