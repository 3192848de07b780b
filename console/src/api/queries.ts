import { QueryCache, QueryClient, queryOptions, type InfiniteData } from '@tanstack/react-query';
import { ApiError, get, rememberSession } from './client';
import type { Session, Status } from './types';

export const SESSION_KEY = ['session'] as const;

/** Waits longer after each failure, up to half a minute; refusals aren't repeated, only silence and overload are. */
function retry(failures: number, error: unknown): boolean {
  if (error instanceof ApiError && error.status !== 0 && error.status !== 429 && error.status < 502) return false;
  return failures < 3;
}

export function createQueryClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error, query) => {
        if (error instanceof ApiError && error.status === 401 && query.queryKey[0] !== SESSION_KEY[0]) {
          client.setQueryData(SESSION_KEY, null);
        }
      },
    }),
    defaultOptions: {
      queries: { retry, staleTime: 2000, refetchOnWindowFocus: false, networkMode: 'always' },
      mutations: { networkMode: 'always' },
    },
  });
  return client;
}

/** Who is signed in; null if nobody. */
export const sessionQuery = queryOptions({
  queryKey: SESSION_KEY,
  staleTime: Infinity,
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      const session = await get<Session>('/session', {}, signal);
      rememberSession(session);
      return session;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
});

/** How long a list that was scrolled through waits for whoever left it to come back. */
export const LIST_KEPT_MS = 30_000;

/** Asks for everything in sight again. Of long lists only the first page: the rest is fetched again when scrolled to. */
export async function refreshAll(client: QueryClient): Promise<void> {
  client.setQueriesData<InfiniteData<unknown>>({ predicate: (query) => isInfinite(query.state.data) }, (data) => data && { pages: data.pages.slice(0, 1), pageParams: data.pageParams.slice(0, 1) });
  await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== SESSION_KEY[0] });
}

function isInfinite(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'pages' in data && 'pageParams' in data;
}

export const statusQuery = queryOptions({
  queryKey: ['status'],
  queryFn: ({ signal }) => get<Status>('/status', {}, signal),
});
