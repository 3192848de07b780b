/**
 * Conditions on any field, as the address holds them (`where=attributes.http.route:/orders`, `where=!host_name:a`) and as
 * the API takes them: the JSON of its filter tree. Text stands after a colon, a number or truth value after `=`.
 */
export interface Condition {
  /** A column, or `attributes.KEY`, or `resource.KEY`. */
  field: string;
  value: Comparable;
  /** Rows that have this value are left out. */
  not: boolean;
}

export type Comparable = string | number | boolean;

/** Lists and objects are not compared. */
export function isComparable(value: unknown): value is Comparable {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

export function parseCondition(text: string): Condition | null {
  const parts = /^(!?)([^:=]+)([:=])(.*)$/s.exec(text);
  const [, bang, field, kind, raw] = parts ?? [];
  if (field === undefined || raw === undefined) return null;
  const not = bang === '!';
  if (kind === ':') return { field, value: raw, not };
  if (raw === 'true' || raw === 'false') return { field, value: raw === 'true', not };
  const value = Number(raw);
  return raw === '' || !Number.isFinite(value) ? null : { field, value, not };
}

export function formatCondition({ field, value, not }: Condition): string {
  return `${not ? '!' : ''}${field}${typeof value === 'string' ? ':' : '='}${value}`;
}

/** Those of `texts` that can be read. */
export function conditionsOf(texts: readonly string[]): Condition[] {
  return texts.map(parseCondition).filter((c) => c !== null);
}

/** The `filter` parameter, or undefined if there is nothing to filter by. */
export function filterParam(conditions: readonly Condition[]): string | undefined {
  if (conditions.length === 0) return undefined;
  const tree = conditions.map(({ field, value, not }) => {
    const eq = { eq: { field, value } };
    return not ? { not: eq } : eq;
  });
  return JSON.stringify(tree.length === 1 ? tree[0] : { and: tree });
}

/** `condition` added; its opposite, if it was there, goes. */
export function withCondition(texts: readonly string[], condition: Condition): string[] {
  const added = formatCondition(condition);
  const opposite = formatCondition({ ...condition, not: !condition.not });
  return [...texts.filter((text) => text !== added && text !== opposite), added];
}
