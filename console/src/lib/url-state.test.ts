import { expect, test } from 'vitest';
import { carried, linkTo, patched, pick, refreshSeconds } from './url-state';

test('a patch sets, replaces, repeats and removes', () => {
  const before = new URLSearchParams('q=a&from=now-1h&where=x:1');
  const after = patched(before, { q: 'b c', from: null, service: '', where: ['x:1', '!y:2'], pod: 'p' });
  expect(after.toString()).toBe('q=b+c&where=x%3A1&where=%21y%3A2&pod=p');
  expect(before.get('q')).toBe('a');
});

test('only the range and its refresh go along to another page', () => {
  const params = new URLSearchParams('q=a&from=now-1h&to=now&refresh=5&event=1');
  expect(carried(params).toString()).toBe('from=now-1h&to=now&refresh=5');
  expect(linkTo('/logs', params, { trace_id: 'abc', to: null })).toBe('/logs?from=now-1h&refresh=5&trace_id=abc');
  expect(linkTo('/logs', new URLSearchParams())).toBe('/logs');
});

test('values that are set are picked', () => {
  expect(pick(new URLSearchParams('a=1&b=&d=4'), ['a', 'b', 'c'])).toEqual({ a: '1' });
});

test.each([
  ['', 10],
  ['refresh=0', 0],
  ['refresh=30', 30],
  ['refresh=1', 10],
  ['refresh=x', 10],
])('%s refreshes every %s s', (text, expected) => expect(refreshSeconds(new URLSearchParams(text))).toBe(expected));
