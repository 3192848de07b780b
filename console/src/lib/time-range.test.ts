import { describe as group, expect, test } from 'vitest';
import { around, describe, fromParams, isRelative, normalizeBound, parseBound, problemWith, resolve } from './time-range';

const NOW = Date.parse('2026-01-31T12:00:00Z');

group('bounds', () => {
  test.each([
    ['now', NOW],
    ['now-15m', NOW - 900e3],
    ['now-7d', NOW - 7 * 86_400e3],
    [' now-30s ', NOW - 30e3],
    ['2026-01-31T10:00:00Z', NOW - 7200e3],
    ['2026-01-31T10:00:00.123456Z', NOW - 7200e3 + 123],
    ['2026-01-31T10:00:00+02:00', NOW - 4 * 3600e3],
  ])('%s', (text, expected) => expect(parseBound(text, NOW)).toBe(expected));

  test.each(['', 'yesterday', 'now-', 'now-5', 'now-5y', 'now+1h', '15m', '12345', 'now-9999999m'])('%s is none', (text) => expect(parseBound(text, NOW)).toBeNull());

  test('a local time is taken as local', () => {
    expect(parseBound('2026-01-31 09:30', NOW)).toBe(new Date(2026, 0, 31, 9, 30).getTime());
    expect(normalizeBound('2026-01-31 09:30', NOW)).toBe(new Date(2026, 0, 31, 9, 30).toISOString());
    expect(normalizeBound(' now-2h ', NOW)).toBe('now-2h');
  });
});

group('ranges', () => {
  test('from must be before to', () => {
    expect(problemWith({ from: 'now-1h', to: 'now' }, NOW)).toBeNull();
    expect(problemWith({ from: 'now', to: 'now-1h' }, NOW)).toMatch(/before/);
    expect(problemWith({ from: 'x', to: 'now' }, NOW)).toMatch(/^From/);
    expect(problemWith({ from: 'now-1h', to: 'y' }, NOW)).toMatch(/^To/);
  });

  test('an address that makes no sense shows the default range', () => {
    expect(fromParams(new URLSearchParams('from=now-1h'))).toEqual({ from: 'now-1h', to: 'now' });
    expect(fromParams(new URLSearchParams('from=rubbish&to=now'))).toEqual({ from: 'now-15m', to: 'now' });
    expect(resolve({ from: 'rubbish', to: 'now' }, NOW)).toEqual({ fromMs: NOW - 900e3, toMs: NOW });
  });

  test('a relative range moves, an absolute one does not', () => {
    expect(isRelative({ from: 'now-1h', to: 'now' })).toBe(true);
    expect(isRelative({ from: '2026-01-31T10:00:00Z', to: 'now' })).toBe(false);
  });

  test('its name is the preset’s, or both ends', () => {
    expect(describe({ from: 'now-15m', to: 'now' })).toBe('Last 15 minutes');
    expect(describe({ from: 'now-42m', to: 'now' })).toBe('Last 42m');
    expect(describe({ from: 'now-2h', to: 'now-1h' })).toBe('now-2h – now-1h');
  });

  test('around an instant', () => {
    expect(around('2026-01-31T12:00:00.000000Z', 60_000)).toEqual({ from: '2026-01-31T11:59:00.000Z', to: '2026-01-31T12:01:00.000Z' });
  });
});
