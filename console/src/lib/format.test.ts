import { describe, expect, test } from 'vitest';
import { ago, bytes, clock, count, durationNs, percent, perSecond, seconds, versionName, withUnit } from './format';

describe('numbers', () => {
  test.each([
    [0, '0'],
    [9999, '9,999'],
    [12_345, '12.3k'],
    [1_000_000, '1M'],
    [0.5, '0.5'],
    [null, '–'],
    [undefined, '–'],
    [NaN, '–'],
  ])('count of %s is %s', (value, expected) => expect(count(value)).toBe(expected));

  test.each([
    [0, '0 B'],
    [1023, '1,023 B'],
    [1536, '1.5 KiB'],
    [412e6, '393 MiB'],
    [null, '–'],
  ])('bytes of %s are %s', (value, expected) => expect(bytes(value)).toBe(expected));

  test.each([
    [0, '0/s'],
    [0.123456, '0.123/s'],
    [31, '31/s'],
    [45_600, '45.6k/s'],
  ])('rate of %s is %s', (value, expected) => expect(perSecond(value)).toBe(expected));

  test.each([
    [0, 10, '0 %'],
    [1, 3, '33.3 %'],
    [1, 100_000, '< 0.01 %'],
    [5, 0, '–'],
  ])('%s of %s is %s', (part, whole, expected) => expect(percent(part, whole)).toBe(expected));
});

describe('lengths of time', () => {
  test.each([
    [0, '0 ms'],
    [850, '850 ns'],
    [1500, '1.5 µs'],
    [12_345_678, '12.3 ms'],
    [1_490_000_000, '1.49 s'],
    [93e9, '1 m 33 s'],
    [null, '–'],
  ])('%s ns are %s', (value, expected) => expect(durationNs(value)).toBe(expected));

  test.each([
    [1.42, '1.4 s'],
    [59, '59 s'],
    [60, '1 m'],
    [3725, '1 h 2 m'],
    [86_400 * 12, '12 d'],
    [86_400 * 400, '1 y 35 d'],
  ])('%s s are %s', (value, expected) => expect(seconds(value)).toBe(expected));

  test('an age is counted from the clock given', () => {
    expect(ago('2026-01-31T10:00:00.000000Z', Date.parse('2026-01-31T10:00:12.900Z'))).toBe('12 s ago');
    expect(ago(null, 0)).toBe('–');
  });
});

test('the clock shows the day only of other days', () => {
  const at = new Date(2026, 0, 31, 9, 5, 7, 42);
  expect(clock(at.toISOString(), at.getTime())).toBe('09:05:07.042');
  expect(clock(at.toISOString(), at.getTime() + 2 * 86_400e3)).toBe('01-31 09:05:07.042');
  expect(clock('nonsense', 0)).toBe('nonsense');
});

test.each([
  [1536, 'By', '1.5 KiB'],
  [0.25, 's', '250 ms'],
  [12, '{request}', '12 request'],
  [12, '{request}/s', '12 request/s'],
  [12, '1/s', '12/s'],
  [2048, 'By/s', '2 KiB/s'],
  [0.4, '1', '0.4'],
  [5, null, '5'],
  [null, 's', '–'],
])('%s in %s is %s', (value, unit, expected) => expect(withUnit(value, unit)).toBe(expected));

test('only what was released has a version', () => {
  expect(versionName('0.0.0')).toBe('development build');
  expect(versionName('1.2.0')).toBe('version 1.2.0');
});
