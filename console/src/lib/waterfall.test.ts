import { expect, test } from 'vitest';
import type { Span } from '../api/types';
import { layout, micros, ticks, visible } from './waterfall';

/** A span `id` below `parent`, from `startUs` for `us` microseconds. */
function span(id: string, parent: string | null, startUs: number, us: number, more: Partial<Span> = {}): Span {
  const ts = `2026-01-31T12:00:00.${String(startUs).padStart(6, '0')}Z`;
  return { span_id: id, parent_span_id: parent, name: id, kind: null, service_name: 's', ts, duration_ns: us * 1000, status_code: null, status_message: null, attributes: {}, resource: {}, events: [], links: [], scope_name: null, ...more };
}

const shape = (spans: Span[]): string[] => layout(spans).rows.map((row) => `${' '.repeat(row.depth)}${row.span.span_id}`);

test('each span comes after its parent, siblings by start', () => {
  expect(shape([span('c', 'a', 50, 10), span('d', 'b', 20, 5), span('b', 'a', 10, 30), span('a', null, 0, 100)])).toEqual(['a', ' b', '  d', ' c']);
});

test('times are relative to the earliest span, to the microsecond', () => {
  const { rows, durationUs, startMs } = layout([span('a', null, 1500, 100), span('b', 'a', 1501, 200)]);
  expect(rows.map((row) => [row.startUs, row.durationUs])).toEqual([[0, 100], [1, 200]]);
  expect(durationUs).toBe(201);
  expect(startMs).toBe(Date.parse('2026-01-31T12:00:00Z') + 1.5);
});

test('a span whose parent is missing stands at the top and says so', () => {
  const { rows } = layout([span('a', null, 0, 10), span('b', 'gone', 5, 1)]);
  expect(rows.map((row) => [row.span.span_id, row.depth, row.orphan])).toEqual([['a', 0, false], ['b', 0, true]]);
});

test('every span is shown once, even of circles, and of ids given twice', () => {
  expect(shape([span('a', 'b', 0, 1), span('b', 'a', 1, 1), span('c', 'c', 2, 1)]).map((s) => s.trim()).sort()).toEqual(['a', 'b', 'c']);
  expect(shape([span('a', null, 0, 1), span('a', null, 1, 1), span('b', 'a', 2, 1)])).toHaveLength(3);
  expect(layout([]).rows).toEqual([]);
});

test('own time is what children do not cover, overlaps once', () => {
  const { rows } = layout([span('a', null, 0, 100), span('b', 'a', 10, 40), span('c', 'a', 30, 40), span('d', 'a', 90, 50)]);
  expect(rows[0]?.selfUs).toBe(30);
  expect(rows[1]?.selfUs).toBe(40);
});

test('what is below a collapsed span is hidden', () => {
  const { rows } = layout([span('a', null, 0, 9), span('b', 'a', 1, 9), span('c', 'b', 2, 9), span('d', 'a', 3, 9), span('e', null, 4, 9)]);
  expect(rows.map((row) => row.descendants)).toEqual([3, 1, 0, 0, 0]);
  const ids = (collapsed: string[]): string => visible(rows, new Set(collapsed)).map((row) => row.span.span_id).join('');
  expect(ids([])).toBe('abcde');
  expect(ids(['b'])).toBe('abde');
  expect(ids(['a', 'b'])).toBe('ae');
});

test('services and errors are counted', () => {
  const { services, errors } = layout([span('a', null, 0, 9, { status_code: 'ERROR' }), span('b', 'a', 1, 9, { service_name: null, status_code: 'STATUS_CODE_ERROR' }), span('c', 'a', 2, 1, { status_code: 'OK' })]);
  expect(services).toEqual(['s', 'unknown']);
  expect(errors).toBe(2);
});

test('a deep trace does not overflow the stack', () => {
  const deep = Array.from({ length: 20_000 }, (_, i) => span(`s${i}`, i === 0 ? null : `s${i - 1}`, i, 1));
  expect(layout(deep).rows.at(-1)?.depth).toBe(19_999);
});

test.each([
  ['2026-01-31T12:00:00Z', 0],
  ['2026-01-31T12:00:00.000001Z', 1],
  ['2026-01-31T12:00:00.123456Z', 123_456],
  ['2026-01-31T12:00:00.123Z', 123_000],
  ['2026-01-31T12:00:00.1234Z', 123_400],
])('%s', (ts, expected) => expect(micros(ts) - micros('2026-01-31T12:00:00Z')).toBe(expected));

test.each([
  [1000, 5, [0, 200, 400, 600, 800]],
  [356_000, 5, [0, 100_000, 200_000, 300_000]],
  [7, 5, [0, 2, 4, 6]],
])('marks of %s', (duration, most, expected) => expect(ticks(duration, most)).toEqual(expected));
