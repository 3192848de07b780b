import { useQuery } from '@tanstack/react-query';
import { get } from './client';

interface Description {
  paths?: Record<string, { get?: { parameters?: { name?: string }[] } }>;
}

/**
 * Whether the server takes conditions on any field (`filter`) for `path`, by its own description. Where it doesn't, what
 * would need them is not offered; unknown parameters are refused, never ignored.
 */
export function useTakesFilter(path: string): boolean {
  const description = useQuery({
    queryKey: ['openapi'],
    queryFn: ({ signal }) => get<Description>('/openapi.json', {}, signal),
    staleTime: Infinity,
    gcTime: Infinity,
  });
  const described = Object.entries(description.data?.paths ?? {}).find(([key]) => key.endsWith(path));
  return described?.[1].get?.parameters?.some((parameter) => parameter.name === 'filter') ?? false;
}
