export interface Summary {
  last: number | null;
  mean: number | null;
  least: number | null;
  most: number | null;
}

/** What a legend says of one series; gaps don't count. */
export function summary(values: readonly (number | null)[]): Summary {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { last: null, mean: null, least: null, most: null };
  return {
    last: known.at(-1) ?? null,
    mean: known.reduce((sum, value) => sum + value, 0) / known.length,
    least: known.reduce((a, b) => Math.min(a, b)),
    most: known.reduce((a, b) => Math.max(a, b)),
  };
}

/** Silence of this many usual distances between points is a gap. */
const SILENCE = 3;

/**
 * What is measured less often than a chart has intervals still is one line: empty intervals between its points become
 * `undefined`, which a line crosses; longer silence stays `null`, a gap.
 */
export function bridged(values: readonly (number | null)[]): (number | null | undefined)[] {
  const known = values.flatMap((value, i) => (value === null ? [] : [i]));
  const steps = known.slice(1).map((at, i) => at - (known[i] ?? at));
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1;
  const result: (number | null | undefined)[] = [...values];
  steps.forEach((step, i) => {
    const from = known[i] ?? 0;
    if (step <= usual * SILENCE) result.fill(undefined, from + 1, from + step);
  });
  return result;
}
