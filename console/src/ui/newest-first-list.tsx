import type { JSX, ReactNode } from 'react';
import { messageOf } from '../api/client';
import type { NewestFirst } from '../api/newest-first';
import { count, dateTime } from '../lib/format';
import { Failure, Skeleton } from './panel';
import { VirtualList } from './virtual-list';

interface NewestFirstListProps<Row> {
  list: NewestFirst<Row>;
  /** What the rows are: `traces`. */
  what: string;
  label: string;
  rowKey: (row: Row) => string;
  rowHeight: number;
  header?: ReactNode;
  render: (row: Row) => ReactNode;
  /** What an empty list says. */
  empty: ReactNode;
}

const SKELETON_LINES = 12;

/** A list that grows at its end as it is scrolled through; before that it says what it waits for, or why there is none. */
export function NewestFirstList<Row>({ list, what, empty, ...shown }: NewestFirstListProps<Row>): JSX.Element {
  if (list.rows.length === 0) {
    if (list.searching) {
      return (
        <>
          <Skeleton lines={SKELETON_LINES} />
          {list.scannedUntil && <p className="list-note">Looked through everything since {dateTime(list.scannedUntil)}…</p>}
        </>
      );
    }
    return list.error ? <Failure error={list.error} retry={list.retry} /> : <>{empty}</>;
  }
  return (
    <VirtualList
      {...shown}
      rows={list.rows}
      onEnd={list.more}
      onTop={list.setAtTop}
      footer={
        <p className="list-note" role="status">
          {list.error ? messageOf(list.error) : list.fetchingMore ? `Loading older ${what}…` : list.hasMore ? '' : `All ${count(list.rows.length)} ${what} of this range`}
        </p>
      }
    />
  );
}
