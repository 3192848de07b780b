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
