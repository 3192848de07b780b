import { expect, test } from 'vitest';
import type { SecretStatus } from '../api/types';
import { byUrgency, lastRead, secretState } from './secrets';

const USED: SecretStatus = {
  name: 'file admin/password',
  version: 'b1946ac9',
  age_seconds: 12,
  stale: false,
  required: true,
  failures: 0,
  last_failure: null,
  users: [{ name: 'admin password', applied: 'b1946ac9', refused: null }],
};

const REFUSED = { name: 'admin password', applied: 'a0', refused: 'the password is empty' };

test.each<[string, Partial<SecretStatus>, string, string, string[]]>([
  ['one that is used', {}, 'good', 'in use', []],
  ['one that never came, and is needed', { version: null, age_seconds: null, failures: 3, last_failure: 'not found' }, 'bad', 'missing', ['not found (3 times)']],
  ['one that never came, and is not needed', { version: null, required: false }, 'warn', 'missing', []],
  ['one that is too old', { stale: true, failures: 1, last_failure: 'timed out' }, 'bad', 'stale', ['timed out']],
  ['one that can’t be read now', { failures: 1, last_failure: 'timed out' }, 'warn', 'failing', ['timed out']],
  ['one that its user refuses', { users: [REFUSED] }, 'warn', 'refused', ['admin password: the password is empty; goes on with version a0']],
  ['one that its user never took', { users: [{ ...REFUSED, applied: null }] }, 'warn', 'refused', ['admin password: the password is empty']],
  ['one that is old and refused', { stale: true, users: [REFUSED] }, 'bad', 'stale', ['admin password: the password is empty; goes on with version a0']],
])('%s', (_, change, tone, word, because) => {
  expect(secretState({ ...USED, ...change })).toEqual({ tone, word, because });
});

test('the age is told, or that there is none', () => {
  expect(lastRead(USED)).toBe('12 s ago');
  expect(lastRead({ ...USED, age_seconds: null })).toBe('never');
});

test('what needs somebody stands first', () => {
  const secrets = [{ ...USED, name: 'b' }, { ...USED, name: 'c', failures: 1 }, { ...USED, name: 'a' }, { ...USED, name: 'd', stale: true }];
  expect(byUrgency(secrets).map((secret) => secret.name)).toEqual(['d', 'c', 'a', 'b']);
});
