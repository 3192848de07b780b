import type { SecretStatus } from '../api/types';
import { seconds } from './format';

/** How a secret fares, worst first. */
export interface SecretState {
  tone: 'bad' | 'warn' | 'good';
  /** A word or two. */
  word: string;
  /** What there is to know besides: why, and for whom. */
  because: string[];
}

/** A secret that nobody can have is worse than an old one, an old one worse than one that a reader did not take. */
export function secretState(secret: SecretStatus): SecretState {
  const refused = secret.users.filter((user) => user.refused !== null);
  const because = [
    ...(secret.last_failure === null ? [] : [`${secret.last_failure}${secret.failures > 1 ? ` (${secret.failures} times)` : ''}`]),
    ...refused.map((user) => `${user.name}: ${user.refused}${user.applied === null ? '' : `; goes on with version ${user.applied}`}`),
  ];
  if (secret.version === null) return { tone: secret.required ? 'bad' : 'warn', word: 'missing', because };
  if (secret.stale) return { tone: 'bad', word: 'stale', because };
  if (refused.length > 0) return { tone: 'warn', word: 'refused', because };
  if (secret.failures > 0) return { tone: 'warn', word: 'failing', because };
  return { tone: 'good', word: 'in use', because };
}

/** When it was last read. */
export function lastRead(secret: SecretStatus): string {
  return secret.age_seconds === null ? 'never' : `${seconds(secret.age_seconds)} ago`;
}

const TONES = ['bad', 'warn', 'good'];

/** Those that need somebody first, then by name. */
export function byUrgency(secrets: readonly SecretStatus[]): SecretStatus[] {
  const rank = (secret: SecretStatus): number => TONES.indexOf(secretState(secret).tone);
  return [...secrets].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, 'en'));
}
