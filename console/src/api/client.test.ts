import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError, apiUrl, del, get, messageOf, post, rememberSession } from './client';

const asked = vi.fn<typeof fetch>();

beforeEach(() => vi.stubGlobal('fetch', asked));
afterEach(() => {
  vi.unstubAllGlobals();
  asked.mockReset();
  rememberSession(null);
});

function answer(status: number, body: unknown, headers: Record<string, string> = { 'content-type': 'application/problem+json' }): void {
  asked.mockResolvedValueOnce(new Response(body === null ? null : JSON.stringify(body), { status, headers }));
}

async function refusal(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error('it was not refused');
  return error;
}

test('only parameters that are set are sent', () => {
  expect(apiUrl('/logs', { q: 'a b&c', from: 'now-1h', service: '', pod: null, limit: 10, cursor: undefined })).toBe('/api/v1/logs?q=a+b%26c&from=now-1h&limit=10');
  expect(apiUrl('/status')).toBe('/api/v1/status');
});

test('unsafe methods carry the session’s token, safe ones do not', async () => {
  const sent = (call: number): Record<string, string> => asked.mock.calls[call]?.[1]?.headers as Record<string, string>;
  rememberSession({ user: { name: 'a', role: 'admin' }, csrf_token: 'secret', expires_at: '' });
  answer(200, {});
  await get('/status');
  answer(201, {});
  await post('/tokens', { name: 'x' });
  answer(204, null);
  await del('/tokens/1');
  expect(sent(0)['x-csrf-token']).toBeUndefined();
  expect(sent(1)['x-csrf-token']).toBe('secret');
  expect(sent(2)['x-csrf-token']).toBe('secret');
  expect(asked.mock.calls[1]?.[1]?.body).toBe('{"name":"x"}');
});

test('a problem document says why', async () => {
  answer(400, { title: 'Invalid parameter', status: 400, detail: 'parameter `from`: expected a time' });
  const error = await refusal(get('/logs'));
  expect(error.status).toBe(400);
  expect(error.message).toBe('Invalid parameter');
  expect(messageOf(error)).toBe('parameter `from`: expected a time');
});

test('what is no problem document still reads well', async () => {
  asked.mockResolvedValueOnce(new Response('<h1>Bad gateway</h1>', { status: 502, headers: { 'content-type': 'text/html' } }));
  expect(messageOf(await refusal(get('/logs')))).toBe('The server failed to answer');
  asked.mockResolvedValueOnce(new Response('{broken', { status: 429, headers: { 'content-type': 'application/problem+json', 'retry-after': '7' } }));
  expect(messageOf(await refusal(get('/logs')))).toBe('Try again in 7 s.');
});

test('no answer at all has status 0; a request that was given up is no refusal', async () => {
  asked.mockRejectedValueOnce(new TypeError('Failed to fetch'));
  expect((await refusal(get('/logs'))).status).toBe(0);
  const controller = new AbortController();
  controller.abort();
  asked.mockRejectedValueOnce(new DOMException('aborted', 'AbortError'));
  await expect(get('/logs', {}, controller.signal)).rejects.toThrow('aborted');
});
