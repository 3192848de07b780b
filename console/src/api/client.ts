import type { Problem, Session } from './types';

/** What the server refused, or could not be asked, in words that can be shown. */
export class ApiError extends Error {
  /** HTTP status; 0 when there was no answer at all. */
  readonly status: number;
  readonly detail: string | null;

  constructor(status: number, title: string, detail: string | null) {
    super(title);
    this.name = 'ApiError';
    this.status = status;
    this.detail = detail;
  }
}

export type Params = Record<string, string | number | boolean | null | undefined>;

const BASE = '/api/v1';

// Unsafe methods must carry it beside the cookie; it lives as long as the page.
let csrfToken: string | null = null;

export function rememberSession(session: Session | null): void {
  csrfToken = session?.csrf_token ?? null;
}

/** `path` below `/api/v1` with those parameters that are set. */
export function apiUrl(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(key, String(value));
  }
  const text = query.toString();
  return BASE + path + (text ? `?${text}` : '');
}

export function get<T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> {
  return request<T>('GET', apiUrl(path, params), undefined, signal);
}

export function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return request<T>('POST', apiUrl(path), body, signal);
}

export function del(path: string): Promise<void> {
  return request<void>('DELETE', apiUrl(path));
}

async function request<T>(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET' && csrfToken) headers['x-csrf-token'] = csrfToken;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers,
      credentials: 'same-origin',
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'Parapet does not answer', 'The server is stopped or unreachable. This page retries by itself.');
  }
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

async function problemOf(response: Response): Promise<ApiError> {
  const retryAfter = response.headers.get('retry-after');
  let problem: Problem = {};
  if (response.headers.get('content-type')?.includes('json')) {
    problem = (await response.json().catch(() => ({}))) as Problem;
  }
  const title = problem.title ?? titleOf(response.status);
  const detail = problem.detail ?? (retryAfter ? `Try again in ${retryAfter} s.` : null);
  return new ApiError(response.status, title, detail);
}

function titleOf(status: number): string {
  if (status === 401) return 'Not signed in';
  if (status === 403) return 'Not allowed';
  if (status === 404) return 'Not found';
  if (status === 429) return 'Too many requests';
  if (status >= 500) return 'The server failed to answer';
  return `The server refused the request (${status})`;
}

/** One sentence for people: the detail where there is one, since it says why. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.detail ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
