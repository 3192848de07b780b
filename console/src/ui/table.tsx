import type { JSX, ReactNode } from 'react';

/** A column that is more than a name at the left. */
interface Column {
  name: string;
  /** Of numbers. */
  right?: boolean;
  /** Read aloud, not shown. */
  hidden?: boolean;
}

interface TableProps {
  columns: readonly (string | Column)[];
  className?: string;
  /** The rows, each a `tr`. */
  children: ReactNode;
}

/** A table of some dozen rows, with its columns named. */
export function Table({ columns, className = '', children }: TableProps): JSX.Element {
  return (
    <table className={`table ${className}`}>
      <thead>
        <tr>
          {columns.map((column) => {
            const { name, right = false, hidden = false }: Column = typeof column === 'string' ? { name: column } : column;
            return (
              <th key={name} scope="col" className={right ? 'right' : undefined}>
                {hidden ? <span className="visually-hidden">{name}</span> : name}
              </th>
            );
          })}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** A column of numbers. */
export function numbers(name: string): Column {
  return { name, right: true };
}
