import { useMemo, useState, type JSX } from 'react';
import type { SqlResult } from '../../api/types';
import { cellText } from '../../lib/csv';
import { VirtualList } from '../../ui/virtual-list';

const NARROWEST = 70;
const WIDEST = 420;
const CHARACTER = 7.4;
const MEASURED_ROWS = 100;
const NUMERIC = /^(u?int|float|decimal)/i;

interface Sort {
  column: number;
  down: boolean;
}

/** Rows of a query: any number scrolls, a click on a heading sorts. */
export function Results({ result }: { result: SqlResult }): JSX.Element {
  const [sort, setSort] = useState<Sort | null>(null);
  const widths = useMemo(() => widthsOf(result), [result]);
  const rows = useMemo(() => {
    const numbered = result.rows.map((cells, index) => ({ cells, index }));
    if (!sort) return numbered;
    const sign = sort.down ? -1 : 1;
    return numbered.sort((a, b) => sign * compare(a.cells[sort.column], b.cells[sort.column]));
  }, [result, sort]);
  const columns = widths.map((width) => `minmax(${width}px, ${width}fr)`).join(' ');
  const least = widths.reduce((sum, width) => sum + width, 0) + 28;

  return (
    <div className="result-frame">
      <div className="result-wide" style={{ minWidth: least }}>
        <VirtualList
          rows={rows}
          rowKey={(row) => String(row.index)}
          rowHeight={27}
          label="Rows of the result"
          header={
            <div className="result-row head" style={{ gridTemplateColumns: columns }}>
              {result.columns.map((column, i) => (
                <button key={i} type="button" className={NUMERIC.test(column.type) ? 'right' : ''} title={column.type} onClick={() => setSort(sort?.column === i ? (sort.down ? null : { column: i, down: true }) : { column: i, down: false })}>
                  <span className="truncate">{column.name}</span>
                  {sort?.column === i && <span aria-label={sort.down ? 'descending' : 'ascending'}>{sort.down ? '↓' : '↑'}</span>}
                </button>
              ))}
            </div>
          }
          render={({ cells }) => (
            <div className="result-row" style={{ gridTemplateColumns: columns }}>
              {cells.map((value, i) => (
                <span key={i} className={NUMERIC.test(result.columns[i]?.type ?? '') ? 'truncate right num' : 'truncate'} title={cellText(value)}>
                  {value === null ? <i className="faint">null</i> : cellText(value)}
                </span>
              ))}
            </div>
          )}
        />
      </div>
    </div>
  );
}

function widthsOf({ columns, rows }: SqlResult): number[] {
  return columns.map((column, i) => {
    const longest = rows.slice(0, MEASURED_ROWS).reduce((most, row) => Math.max(most, cellText(row[i]).length), column.name.length + 2);
    return Math.round(Math.min(Math.max(longest * CHARACTER + 16, NARROWEST), WIDEST));
  });
}

function compare(a: unknown, b: unknown): number {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return cellText(a).localeCompare(cellText(b), 'en', { numeric: true });
}
