import type { Span } from '../api/types';

/** One span where it stands in its trace. Times are microseconds from the trace's start. */
export interface WaterfallRow {
  span: Span;
  depth: number;
  /** Spans below it, at any depth. */
  descendants: number;
  startUs: number;
  durationUs: number;
  /** What no direct child covers. */
  selfUs: number;
  /** Its parent isn't stored: not yet, not any more, or never was. */
  orphan: boolean;
}

export interface Waterfall {
  rows: WaterfallRow[];
  startMs: number;
  durationUs: number;
  services: string[];
  errors: number;
}

/** Microseconds since the epoch; `Date` alone stops at milliseconds. */
export function micros(ts: string): number {
  const fraction = /\.(\d{3})(\d{1,3})/.exec(ts)?.[2] ?? '';
  return Date.parse(ts) * 1000 + (fraction === '' ? 0 : Number(fraction.padEnd(3, '0')));
}

export function isError(span: Span): boolean {
  return span.status_code?.toUpperCase().includes('ERROR') ?? false;
}

/**
 * The spans in the order they are shown: each after its parent, siblings by start. A span whose parent isn't there stands at
 * the top, and so does one that is its own ancestor: every span is shown exactly once, whatever was sent.
 */
export function layout(spans: readonly Span[]): Waterfall {
  const starts = new Map(spans.map((span) => [span, micros(span.ts)]));
  const startOf = (span: Span): number => starts.get(span) ?? 0;
  const byStart = (a: Span, b: Span): number => startOf(a) - startOf(b) || b.duration_ns - a.duration_ns;
  const ids = new Set(spans.map((span) => span.span_id));
  const children = new Map<string, Span[]>();
  const roots: Span[] = [];
  for (const span of spans) {
    const parent = span.parent_span_id;
    if (parent && parent !== span.span_id && ids.has(parent)) {
      const siblings = children.get(parent);
      if (siblings) siblings.push(span);
      else children.set(parent, [span]);
    } else roots.push(span);
  }
  for (const siblings of children.values()) siblings.sort(byStart);
  roots.sort(byStart);

  const first = spans.reduce((least, span) => Math.min(least, startOf(span)), Infinity);
  const last = spans.reduce((most, span) => Math.max(most, startOf(span) + span.duration_ns / 1000), -Infinity);
  const rows: WaterfallRow[] = [];
  const placed = new Set<Span>();
  const place = (root: Span): void => {
    const stack: { span: Span; depth: number }[] = [{ span: root, depth: 0 }];
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { span, depth } = next;
      if (placed.has(span)) continue;
      placed.add(span);
      const below = children.get(span.span_id) ?? [];
      rows.push({
        span,
        depth,
        descendants: 0,
        startUs: startOf(span) - first,
        durationUs: span.duration_ns / 1000,
        selfUs: span.duration_ns / 1000 - covered(span, below, startOf),
        orphan: depth === 0 && Boolean(span.parent_span_id),
      });
      for (const child of [...below].reverse()) stack.push({ span: child, depth: depth + 1 });
    }
  };
  roots.forEach(place);
  // What is left goes round in circles.
  [...spans].sort(byStart).forEach((span) => {
    if (!placed.has(span)) place(span);
  });
  countDescendants(rows);

  return {
    rows,
    startMs: Number.isFinite(first) ? first / 1000 : 0,
    durationUs: Number.isFinite(first) ? Math.max(last - first, 1) : 1,
    services: [...new Set(rows.map((row) => row.span.service_name ?? 'unknown'))],
    errors: spans.filter(isError).length,
  };
}

/** Rows that are not below a collapsed one. */
export function visible(rows: readonly WaterfallRow[], collapsed: ReadonlySet<string>): WaterfallRow[] {
  const shown: WaterfallRow[] = [];
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i];
    if (!row) break;
    shown.push(row);
    if (collapsed.has(row.span.span_id)) i += row.descendants;
  }
  return shown;
}

/** Round marks on an axis of `durationUs`, at most `most` of them. */
export function ticks(durationUs: number, most: number): number[] {
  const rough = durationUs / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
  const marks: number[] = [];
  for (let n = 0; n * step < durationUs && n <= most; n += 1) marks.push(n * step);
  return marks;
}

function countDescendants(rows: WaterfallRow[]): void {
  const open: { row: WaterfallRow; index: number }[] = [];
  const close = (depth: number, end: number): void => {
    for (let last = open.at(-1); last && last.row.depth >= depth; last = open.at(-1)) {
      last.row.descendants = end - last.index - 1;
      open.pop();
    }
  };
  rows.forEach((row, index) => {
    close(row.depth, index);
    open.push({ row, index });
  });
  close(0, rows.length);
}

/** How much of `span` its children cover, overlaps counted once; `children` are sorted by start. */
function covered(span: Span, children: readonly Span[], startOf: (span: Span) => number): number {
  const from = startOf(span);
  const to = from + span.duration_ns / 1000;
  let sum = 0;
  let reached = from;
  for (const child of children) {
    const start = Math.max(startOf(child), reached);
    const end = Math.min(startOf(child) + child.duration_ns / 1000, to);
    if (end > start) {
      sum += end - start;
      reached = end;
    }
  }
  return sum;
}
