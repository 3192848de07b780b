import { useEffect, useLayoutEffect, useRef, type JSX } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useTheme } from '../lib/theme';
import { dateTime } from '../lib/format';
import { dot } from '../lib/palette';
import { bridged } from '../lib/series';

export interface ChartSeries {
  name: string;
  /** A CSS colour; custom properties are resolved. */
  color: string;
  values: (number | null)[];
}

interface TimeChartProps {
  /** Starts of the intervals, milliseconds. */
  times: number[];
  series: ChartSeries[];
  /** Stacked bars, or lines. */
  shape: 'bars' | 'lines' | 'area';
  intervalMs: number;
  height: number;
  format: (value: number | null) => string;
  /** The axis is marked at powers of two, as bytes are counted. */
  binary?: boolean;
  /** A range was drawn. */
  onZoom?: ((fromMs: number, toMs: number) => void) | undefined;
  /** Charts with one key share their cross-hair. */
  syncKey?: string;
  label: string;
}

const POWERS_OF_TWO = Array.from({ length: 52 }, (_, i) => 2 ** i);

/** Values over time: hover reads them, dragging zooms. */
export function TimeChart(props: TimeChartProps): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const { shown } = useTheme();
  const { shape, height, syncKey, binary = false } = props;
  const identity = props.series.map((s) => `${s.name}\u0000${s.color}`).join('\u0001');

  useLayoutEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const element = holder.current;
    if (!element || !tip.current) return;
    const chart = new uPlot(options(element, tip.current, latest, shape, height, syncKey), columns(latest.current), element);
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [identity, shape, height, syncKey, binary, shown]);

  useEffect(() => {
    plot.current?.setData(columns(props));
  }, [props.times, props.series, props]);

  return (
    <div className="chart" role="img" aria-label={props.label}>
      <div ref={holder} style={{ height }} />
      <div ref={tip} className="chart-tip" hidden />
    </div>
  );
}

/** uPlot's columns: seconds, then one column a series; stacked shapes carry running sums, topmost first. */
function columns({ times, series, shape, intervalMs }: TimeChartProps): uPlot.AlignedData {
  const shift = shape === 'bars' ? intervalMs / 2 : 0;
  const xs = times.map((t) => (t + shift) / 1000);
  if (shape !== 'bars') return [xs, ...series.map((s) => bridged(s.values))];
  const sum = new Array<number>(times.length).fill(0);
  const stacked = series.map((s) =>
    s.values.map((value, i) => {
      sum[i] = (sum[i] ?? 0) + (value ?? 0);
      return sum[i] ?? 0;
    }),
  );
  return [xs, ...stacked.reverse()];
}

function options(
  element: HTMLElement,
  tip: HTMLElement,
  latest: { current: TimeChartProps },
  shape: TimeChartProps['shape'],
  height: number,
  syncKey: string | undefined,
): uPlot.Options {
  const color = (css: string): string => resolved(element, css);
  const axis = color('var(--text-3)');
  const grid = color('var(--line)');
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const drawn = shape === 'bars' ? [...latest.current.series].reverse() : latest.current.series;
  const bars = uPlot.paths.bars?.({ size: [0.86, 26], align: 0, radius: 0.08 });
  const lines = uPlot.paths.spline?.();

  return {
    width: Math.max(element.clientWidth, 10),
    height,
    padding: [8, 6, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: shape !== 'bars', size: 7, width: 2 },
      drag: { x: latest.current.onZoom !== undefined, y: false, setScale: false },
      ...(syncKey ? { sync: { key: syncKey, setSeries: false } } : {}),
    },
    scales: {
      x: {
        time: true,
        range: (_u, min, max) => {
          const { times, intervalMs } = latest.current;
          const first = times[0];
          const last = times.at(-1);
          return first === undefined || last === undefined ? [min, max] : [first / 1000, (last + (shape === 'bars' ? intervalMs : 0)) / 1000 + (first === last && shape !== 'bars' ? 1 : 0)];
        },
      },
      y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] },
    },
    axes: [
      { stroke: axis, font, size: 26, gap: 6, space: 70, grid: { show: false }, ticks: { show: false }, values: timeLabels },
      {
        stroke: axis,
        font,
        gap: 6,
        space: 34,
        size: (_u, values) => 14 + Math.max(...(values ?? ['']).map((v) => v.length), 2) * 6.2,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        ...(latest.current.binary ? { incrs: POWERS_OF_TWO } : {}),
        values: (_u, splits) => splits.map((v) => latest.current.format(v)),
      },
    ],
    series: [
      {},
      ...drawn.map((s) => {
        const stroke = color(s.color);
        if (shape === 'bars') return { label: s.name, fill: stroke, stroke, width: 0, points: { show: false }, ...(bars ? { paths: bars } : {}) };
        return {
          label: s.name,
          stroke,
          width: 1.75,
          spanGaps: false,
          points: { show: lonely, size: 4, fill: stroke },
          ...(shape === 'area' ? { fill: translucent(stroke) } : {}),
          ...(lines ? { paths: lines } : {}),
        };
      }),
    ],
    hooks: {
      setCursor: [(u) => showTip(u, tip, latest.current)],
      setSelect: [
        (u) => {
          if (u.select.width < 4) return;
          const from = u.posToVal(u.select.left, 'x') * 1000;
          const to = u.posToVal(u.select.left + u.select.width, 'x') * 1000;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onZoom?.(from, to);
        },
      ],
    },
  };
}

/** Points are drawn only where no line would be: a value between two gaps. */
function lonely(u: uPlot, series: number, from: number, to: number): boolean {
  const values = u.data[series];
  if (!values) return false;
  let known = 0;
  for (let i = from; i <= to; i += 1) if (values[i] !== null && values[i] !== undefined) known += 1;
  return known > 0 && known < 3;
}

function timeLabels(_u: uPlot, splits: number[], _axis: number, _space: number, stepSeconds: number): string[] {
  let day = '';
  return splits.map((split) => {
    const at = new Date(split * 1000);
    const date = at.toLocaleDateString(undefined, { month: 'short', day: 'numeric' });
    if (stepSeconds >= 86_400) return date;
    const time = at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(stepSeconds < 60 ? { second: '2-digit' } : {}) });
    const midnight = day !== '' && day !== date;
    day = date;
    return midnight && stepSeconds >= 60 ? date : time;
  });
}

function showTip(u: uPlot, tip: HTMLElement, { times, series, format }: TimeChartProps): void {
  const index = u.cursor.idx;
  const left = u.cursor.left ?? -1;
  const at = index === null || index === undefined ? undefined : times[index];
  if (left < 0 || index === null || index === undefined || at === undefined) {
    tip.hidden = true;
    return;
  }
  const when = document.createElement('div');
  when.className = 'when';
  when.textContent = dateTime(new Date(at).toISOString());
  const items = series
    .map((s) => ({ ...s, value: s.values[index] ?? null }))
    .filter((s) => s.value !== null && (series.length <= 6 || s.value !== 0))
    .slice(0, 12)
    .map((s) => {
      const item = document.createElement('div');
      item.className = 'item';
      const swatch = document.createElement('i');
      swatch.className = 'swatch';
      swatch.style.setProperty('--dot', s.color);
      const name = document.createElement('span');
      name.textContent = s.name;
      const value = document.createElement('b');
      value.textContent = format(s.value);
      item.append(swatch, name, value);
      return item;
    });
  tip.replaceChildren(when, ...items);
  tip.hidden = false;
  const start = u.over.offsetLeft + left;
  const flip = start + tip.offsetWidth + 24 > u.root.clientWidth;
  tip.style.transform = `translate(${flip ? start - tip.offsetWidth - 12 : start + 12}px, 6px)`;
}

function resolved(element: HTMLElement, css: string): string {
  // An element of its own: one that was there before might be on its way from its last colour to this one.
  const probe = document.createElement('span');
  probe.style.color = css;
  element.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function translucent(rgb: string): string {
  const parts = /\d+(\.\d+)?/g;
  const [r, g, b] = rgb.match(parts) ?? ['0', '0', '0'];
  return `rgb(${r} ${g} ${b} / 12%)`;
}

export function Legend({ items }: { items: { name: string; color: string; note?: string }[] }): JSX.Element {
  return (
    <ul className="legend">
      {items.map((item) => (
        <li key={item.name}>
          <i className="swatch" style={dot(item.color)} />
          {item.name}
          {item.note && <span className="faint num">{item.note}</span>}
        </li>
      ))}
    </ul>
  );
}
