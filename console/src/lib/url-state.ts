/** A page's state is its query string: these keep one in order. */

export type Patch = Record<string, string | readonly string[] | null | undefined>;

/** What every page understands, and so what a link to another page takes along. */
const SHARED = ['from', 'to', 'refresh'];

/** `params` with `patch` applied: null, undefined and empty remove a key. */
export function patched(params: URLSearchParams, patch: Patch): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const [key, value] of Object.entries(patch)) {
    next.delete(key);
    if (typeof value === 'string') {
      if (value !== '') next.set(key, value);
    } else {
      for (const one of value ?? []) next.append(key, one);
    }
  }
  return next;
}

/** The part of a query string that goes along to another page. */
export function carried(params: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams();
  for (const key of SHARED) {
    const value = params.get(key);
    if (value !== null) next.set(key, value);
  }
  return next;
}

/** A link to `path` that keeps the time range and sets `patch`. */
export function linkTo(path: string, params: URLSearchParams, patch: Patch = {}): string {
  const text = patched(carried(params), patch).toString();
  return text ? `${path}?${text}` : path;
}

/** The values of `keys` that are set. */
export function pick<K extends string>(params: URLSearchParams, keys: readonly K[]): Partial<Record<K, string>> {
  const picked: Partial<Record<K, string>> = {};
  for (const key of keys) {
    const value = params.get(key);
    if (value) picked[key] = value;
  }
  return picked;
}

/** Seconds between refreshes; 0 is never. */
export function refreshSeconds(params: URLSearchParams): number {
  const text = params.get('refresh');
  if (text === null) return DEFAULT_REFRESH_SECONDS;
  const seconds = Number(text);
  return REFRESH_CHOICES.includes(seconds) ? seconds : DEFAULT_REFRESH_SECONDS;
}

export const REFRESH_CHOICES: readonly number[] = [0, 5, 10, 30, 60];
export const DEFAULT_REFRESH_SECONDS = 10;
