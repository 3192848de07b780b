import { expect, test } from 'vitest';
import { csv } from './csv';
import { at, parseHeaders, textAt } from './http-headers';
import { severityColor, severityOf, statusClass } from './palette';
import { bridged, summary } from './series';

test('headers are a start line and fields', () => {
  expect(parseHeaders('GET /a HTTP/1.1\r\nHost: gw\r\nX-Time: 10:30\r\nbroken\r\n\r\n')).toEqual({ start: 'GET /a HTTP/1.1', fields: [['Host', 'gw'], ['X-Time', '10:30']] });
  expect(parseHeaders(null)).toBeNull();
  expect(parseHeaders('  ')).toBeNull();
});

test('members of unknown values', () => {
  expect(at({ a: { b: [1] } }, 'a', 'b')).toEqual([1]);
  expect(at('text', 'a')).toBeUndefined();
  expect(textAt({ a: 5 }, 'a')).toBe('5');
  expect(textAt({ a: {} }, 'a')).toBeNull();
});

test('cells are quoted where they must be', () => {
  expect(csv(['a', 'b'], [['x', 1], ['say "hi"', null], ['two\nlines', { k: [1] }]])).toBe('a,b\r\nx,1\r\n"say ""hi""",\r\n"two\nlines","{""k"":[1]}"');
});

test('severities by number and by name', () => {
  expect([null, 0, 1, 9, 12, 13, 17, 24, 99].map(severityOf)).toEqual(['unspecified', 'unspecified', 'trace', 'info', 'info', 'warn', 'error', 'fatal', 'fatal']);
  expect(severityColor('ERROR')).toBe('var(--sev-error)');
  expect(severityColor('UNSPECIFIED')).toBe('var(--data-other)');
});

test('status classes', () => {
  expect([200, 304, 404, 503, 0, null, 700].map(statusClass)).toEqual(['2xx', '3xx', '4xx', '5xx', 'other', 'other', 'other']);
});

test('a legend leaves gaps out', () => {
  expect(summary([1, null, 3, null])).toEqual({ last: 3, mean: 2, least: 1, most: 3 });
  expect(summary([null])).toEqual({ last: null, mean: null, least: null, most: null });
});

test('a line crosses the intervals between its points, not a silence', () => {
  const _ = undefined;
  expect(bridged([null, 1, null, 2, null, 3, null, null, null, null, null, null, null, 4, null])).toEqual([null, 1, _, 2, _, 3, null, null, null, null, null, null, null, 4, null]);
  expect(bridged([1, 2, null, 3, 4])).toEqual([1, 2, _, 3, 4]);
  expect(bridged([null, 1, null])).toEqual([null, 1, null]);
  expect(bridged([])).toEqual([]);
});
