import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { get, type Params } from './client';
import { LIST_KEPT_MS } from './queries';
import type { Page } from './types';

interface Options {
  pageRows?: number;
  refetchInterval: number | false;
  /** Whoever reads something in the list is not to have it move. */
  still?: boolean;
}

/** A list that is fetched page by page, and how far that is. */
export interface NewestFirst<Row> {
  rows: readonly Row[];
  /** Nothing can be said yet: not asked, or nothing found in what was looked through so far. */
  searching: boolean;
  /** How far back it was looked, where a page ended early because enough was scanned. */
  scannedUntil: string | null;
  error: Error | null;
  hasMore: boolean;
  fetchingMore: boolean;
  atTop: boolean;
  setAtTop: (atTop: boolean) => void;
  more: () => void;
  retry: () => void;
}

/** The rows of `path`, newest first. Only the newest page moves, and only for who looks at it: whoever scrolled down is reading. */
export function useNewestFirst<Row>(path: string, asked: Params, { pageRows = 100, refetchInterval, still = false }: Options): NewestFirst<Row> {
  const [atTop, setAtTop] = useState(true);
  const pages = useInfiniteQuery({
    queryKey: [path, asked],
    queryFn: ({ signal, pageParam }) => get<Page<Row>>(path, { ...asked, limit: pageRows, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
    gcTime: LIST_KEPT_MS,
    refetchInterval: (query) => (atTop && !still && (query.state.data?.pages.length ?? 0) <= 1 ? refetchInterval : false),
  });
  const { data, error, hasNextPage, isFetching, isFetchingNextPage, fetchNextPage, refetch } = pages;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.rows) ?? [], [data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const retry = useCallback(() => void refetch(), [refetch]);

  // A page may end early because enough was scanned: nothing found so far, but there is more to look through.
  const barren = data !== undefined && rows.length === 0 && hasNextPage && !error;
  useEffect(() => {
    if (barren) more();
  }, [barren, more]);

  return {
    rows,
    searching: pages.isPending || barren,
    scannedUntil: data?.pages.at(-1)?.scanned_until ?? null,
    error,
    hasMore: hasNextPage,
    fetchingMore: isFetchingNextPage,
    atTop,
    setAtTop,
    more,
    retry,
  };
}
