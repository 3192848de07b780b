import { useEffect, useMemo, useRef, useState, type JSX, type KeyboardEvent, type MouseEvent } from 'react';
import type { Posture } from '../../api/types';
import { useUrl } from '../../lib/hooks';
import { groups, isFolded, OUTSIDE, samplePort, slots, squares, type Connections, type Slot } from '../../lib/posture';
import { useTheme } from '../../lib/theme';
import { Panel } from '../../ui/panel';

const CELL = 20;
const LEFT = 190;
const TOP = 130;

interface Place {
  row: number;
  column: number;
}

/** Rows connect to columns. One canvas draws what is in sight, so that its size does not matter. */
export function Matrix({ posture, connections }: { posture: Posture; connections: Connections }): JSX.Element {
  const { params, set } = useUrl();
  const { shown } = useTheme();
  const toggledText = params.getAll('fold').join('\n');
  const toggled = useMemo(() => toggledText.split('\n').filter(Boolean), [toggledText]);
  const axis = useMemo(() => slots(posture, toggled), [posture, toggled]);
  const found = useMemo(() => squares(connections, axis), [connections, axis]);
  const [chosen, setChosen] = useState<Place>({ row: 0, column: 0 });
  const [hovered, setHovered] = useState<Place | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = { width: LEFT + axis.length * CELL + 12, height: TOP + axis.length * CELL + 12 };
  const at = hovered ?? chosen;

  useEffect(() => {
    const box = scroller.current;
    const target = canvas.current;
    if (!box || !target) return;
    const paint = (): void => draw(target, box, axis, found, at);
    paint();
    box.addEventListener('scroll', paint, { passive: true });
    const observer = new ResizeObserver(paint);
    observer.observe(box);
    return () => {
      box.removeEventListener('scroll', paint);
      observer.disconnect();
    };
  }, [axis, found, at, shown]);

  const placeOf = (event: MouseEvent): Place | null => {
    const box = scroller.current;
    if (!box) return null;
    const bounds = box.getBoundingClientRect();
    const x = event.clientX - bounds.left;
    const y = event.clientY - bounds.top;
    if (x < LEFT || y < TOP) return null;
    const place = { column: Math.floor((x - LEFT + box.scrollLeft) / CELL), row: Math.floor((y - TOP + box.scrollTop) / CELL) };
    return place.row < axis.length && place.column < axis.length ? place : null;
  };
  const open = ({ row, column }: Place): void => {
    const [from, to] = [axis[row], axis[column]];
    if (!from || !to) return;
    const foldable = from.folded ? from : to.folded ? to : null;
    if (foldable) {
      set({ fold: toggled.includes(foldable.group) ? toggled.filter((name) => name !== foldable.group) : [...toggled, foldable.group] });
      return;
    }
    const [source, destination] = [posture.workloads[from.members[0] ?? -1], posture.workloads[to.members[0] ?? -1]];
    if (!source || !destination || posture.grouped) return;
    const { protocol, port } = samplePort(found.get(row * axis.length + column)?.ports ?? '');
    set({ source: source.id, destination: destination.id, protocol, port: String(port) });
  };
  const onKey = (event: KeyboardEvent): void => {
    const steps: Record<string, Place> = { ArrowUp: { row: -1, column: 0 }, ArrowDown: { row: 1, column: 0 }, ArrowLeft: { row: 0, column: -1 }, ArrowRight: { row: 0, column: 1 } };
    const step = steps[event.key];
    if (event.key === 'Enter') {
      event.preventDefault();
      open(chosen);
    }
    if (!step) return;
    event.preventDefault();
    const clamp = (value: number): number => Math.max(0, Math.min(axis.length - 1, value));
    const next = { row: clamp(chosen.row + step.row), column: clamp(chosen.column + step.column) };
    setHovered(null);
    setChosen(next);
    const box = scroller.current;
    if (!box) return;
    const [x, y] = [next.column * CELL, next.row * CELL];
    const [roomX, roomY] = [box.clientWidth - LEFT - CELL, box.clientHeight - TOP - CELL];
    box.scrollTo({ left: Math.min(x, Math.max(box.scrollLeft, x - roomX)), top: Math.min(y, Math.max(box.scrollTop, y - roomY)) });
  };

  return (
    <Panel title="Who can reach whom" sub="each row connects to the columns that are filled" actions={<Legend />}>
      <Folds posture={posture} toggled={toggled} onToggle={(name) => set({ fold: toggled.includes(name) ? toggled.filter((one) => one !== name) : [...toggled, name] })} />
      <p className="matrix-says" role="status" aria-live="polite" data-testid="matrix-says">
        {sentence(axis[at.row], axis[at.column], found.get(at.row * axis.length + at.column))}
      </p>
      <div
        className="matrix"
        ref={scroller}
        tabIndex={0}
        role="application"
        aria-label="Matrix of connections. Arrow keys move, Enter explains."
        onKeyDown={onKey}
        onMouseMove={(event) => setHovered(placeOf(event))}
        onMouseLeave={() => setHovered(null)}
        onClick={(event) => {
          const place = placeOf(event);
          if (!place) return;
          setChosen(place);
          open(place);
        }}
      >
        <div style={size}>
          <canvas ref={canvas} aria-hidden="true" />
        </div>
      </div>
    </Panel>
  );
}

function sentence(from: Slot | undefined, to: Slot | undefined, square: { links: number; most: number; ports: string | null } | undefined): string {
  if (!from || !to) return '';
  const name = (slot: Slot): string => (slot.folded || slot.group === OUTSIDE ? slot.label : `${slot.group}/${slot.label}`);
  const pair = `${name(from)} → ${name(to)}`;
  if (!square) return from === to ? `${name(from)}: itself` : `${pair}: denied`;
  const ports = square.ports ?? 'different ports';
  return square.most > 1 ? `${pair}: ${square.links} of ${square.most} pairs, ${ports}` : `${pair}: ${ports}`;
}

function Legend(): JSX.Element {
  return (
    <span className="row hint">
      <i className="swatch matrix-some" /> some ports <i className="swatch matrix-all" /> every port
    </span>
  );
}

function Folds({ posture, toggled, onToggle }: { posture: Posture; toggled: readonly string[]; onToggle: (name: string) => void }): JSX.Element {
  const all = groups(posture.workloads).filter((group) => group.members.length > 1);
  return (
    <div className="row wrap-row folds" role="group" aria-label="Namespaces">
      {all.map((group) => {
        const folded = isFolded(group, posture.workloads.length, toggled);
        return (
          <button key={group.name} type="button" className="button small" aria-expanded={!folded} onClick={() => onToggle(group.name)}>
            {folded ? '+' : '−'} {group.name} <span className="faint">{group.members.length}</span>
          </button>
        );
      })}
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, box: HTMLElement, axis: readonly Slot[], found: ReturnType<typeof squares>, at: Place): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [box.clientWidth, box.clientHeight];
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const color = colors(box);
  context.scale(ratio, ratio);
  context.clearRect(0, 0, width, height);
  const [left, top] = [box.scrollLeft, box.scrollTop];
  const [firstColumn, lastColumn] = [Math.floor(left / CELL), Math.min(axis.length, Math.ceil((left + width - LEFT) / CELL))];
  const [firstRow, lastRow] = [Math.floor(top / CELL), Math.min(axis.length, Math.ceil((top + height - TOP) / CELL))];
  const x = (column: number): number => LEFT + column * CELL - left;
  const y = (row: number): number => TOP + row * CELL - top;
  context.save();
  context.beginPath();
  context.rect(LEFT, TOP, width, height);
  context.clip();
  for (let row = firstRow; row < lastRow; row += 1) {
    for (let column = firstColumn; column < lastColumn; column += 1) {
      const square = found.get(row * axis.length + column);
      context.globalAlpha = square && square.most > 1 ? 0.35 + (0.65 * square.links) / square.most : 1;
      context.fillStyle = square ? (square.everything ? color('--data-5xx') : color('--accent')) : row === column ? color('--hover') : color('--sunken');
      context.fillRect(x(column) + 1, y(row) + 1, CELL - 2, CELL - 2);
    }
  }
  context.globalAlpha = 1;
  context.strokeStyle = color('--focus');
  context.lineWidth = 2;
  context.strokeRect(x(at.column), y(at.row), CELL, CELL);
  context.restore();
  context.font = `12px ${getComputedStyle(box).fontFamily}`;
  context.textBaseline = 'middle';
  for (let row = firstRow; row < lastRow; row += 1) {
    const slot = axis[row];
    if (slot && y(row) >= TOP - CELL / 2) label(context, slot, axis[row - 1], row === at.row, color, 6, y(row) + CELL / 2, LEFT - 12);
  }
  for (let column = firstColumn; column < lastColumn; column += 1) {
    const slot = axis[column];
    if (!slot || x(column) < LEFT - CELL / 2) continue;
    context.save();
    context.translate(x(column) + CELL / 2, TOP - 6);
    context.rotate(-Math.PI / 2);
    label(context, slot, axis[column - 1], column === at.column, color, 0, 0, TOP - 12);
    context.restore();
  }
}

function label(context: CanvasRenderingContext2D, slot: Slot, before: Slot | undefined, strong: boolean, color: (name: string) => string, x: number, y: number, room: number): void {
  const isFirst = before?.group !== slot.group && !slot.folded;
  const text = isFirst ? `${slot.group} / ${slot.label}` : slot.label;
  context.fillStyle = strong ? color('--accent-strong') : isFirst || slot.folded ? color('--text') : color('--text-2');
  let short = text;
  while (short.length > 4 && context.measureText(short).width > room) short = `${short.slice(0, -2)}…`;
  context.fillText(short, x, y);
}

/** The palette's values: a canvas takes no light-dark(), but a property that is computed does. */
function colors(box: HTMLElement): (name: string) => string {
  const known = new Map<string, string>();
  const probe = document.createElement('span');
  box.append(probe);
  for (const name of ['--data-5xx', '--accent', '--accent-strong', '--hover', '--sunken', '--focus', '--text', '--text-2']) {
    probe.style.color = `var(${name})`;
    known.set(name, getComputedStyle(probe).color);
  }
  probe.remove();
  return (name) => known.get(name) ?? '';
}
