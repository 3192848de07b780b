import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useRef, type JSX, type ReactNode } from 'react';
import { useShortcut } from '../lib/hooks';

interface VirtualListProps<Row> {
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  render: (row: Row, index: number) => ReactNode;
  /** Height of a closed row in pixels; open ones are measured. */
  rowHeight: number;
  label: string;
  header?: ReactNode;
  footer?: ReactNode;
  className?: string;
  /** The end came into sight: more, please. */
  onEnd?: (() => void) | undefined;
  /** Whether the list stands at its top. */
  onTop?: ((atTop: boolean) => void) | undefined;
}

const NEAR_END_ROWS = 30;

/** A list of any length: only what is in sight is in the document. `j` and `k` walk it. */
export function VirtualList<Row>(props: VirtualListProps<Row>): JSX.Element {
  'use no memo'; // the virtualizer hands out a new view of the same object
  const { rows, rowKey, render, rowHeight, label, header, footer, className = '', onEnd, onTop } = props;
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- opted out above
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 16,
    scrollPaddingStart: header ? 34 : 0,
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : rowKey(row);
    },
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;

  useEffect(() => {
    if (onEnd && last >= 0 && last >= rows.length - NEAR_END_ROWS) onEnd();
  }, [last, rows.length, onEnd]);

  const walk = useCallback(
    (step: number) => {
      const focused = document.activeElement?.closest<HTMLElement>('[data-index]');
      const at = focused && scroller.current?.contains(focused) ? Number(focused.dataset.index) : (step > 0 ? -1 : 1);
      const next = Math.max(0, Math.min(rows.length - 1, at + step));
      virtual.scrollToIndex(next, { align: 'auto' });
      const focus = (): boolean => {
        const target = scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"] [data-open]`);
        target?.focus({ preventScroll: true });
        return target !== undefined && target !== null;
      };
      // A row that only now scrolls into sight is there a frame later.
      if (!focus()) requestAnimationFrame(focus);
    },
    [rows.length, virtual],
  );
  useShortcut('j', useCallback(() => walk(1), [walk]));
  useShortcut('k', useCallback(() => walk(-1), [walk]));

  return (
    <div className={`vlist ${className}`}>
      <div className="vlist-scroll" ref={scroller} tabIndex={-1} onScroll={(event) => onTop?.(event.currentTarget.scrollTop < 24)}>
        {header && <div className="vlist-head">{header}</div>}
        <div className="vlist-inner" role="list" aria-label={label} style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            return (
              <div key={item.key} ref={virtual.measureElement} data-index={item.index} role="listitem" className="vlist-row" style={{ transform: `translateY(${item.start}px)` }}>
                {render(row, item.index)}
              </div>
            );
          })}
        </div>
        {footer}
      </div>
    </div>
  );
}
