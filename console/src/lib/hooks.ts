import { useCallback, useEffect, useMemo, useState } from 'react';
import { useSearchParams } from 'react-router';
import { fromParams, isRelative, type TimeRange } from './time-range';
import { linkTo, patched, refreshSeconds, type Patch } from './url-state';

/** The query string and how to change it. `replace` leaves no step in the history, for typing. */
export function useUrl(): {
  params: URLSearchParams;
  set: (patch: Patch, options?: { replace?: boolean }) => void;
  link: (path: string, patch?: Patch) => string;
} {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (patch: Patch, options: { replace?: boolean } = {}) => {
      setParams((now) => patched(now, patch), { replace: options.replace ?? false });
    },
    [setParams],
  );
  const link = useCallback((path: string, patch: Patch = {}) => linkTo(path, params, patch), [params]);
  return { params, set, link };
}

/** The page's time range and how often a query over it is asked again. */
export function useRange(): { range: TimeRange; refetchInterval: number | false } {
  const [params] = useSearchParams();
  const { from, to } = fromParams(params);
  const refresh = refreshSeconds(params);
  return useMemo(() => {
    const range = { from, to };
    return { range, refetchInterval: refresh > 0 && isRelative(range) ? refresh * 1000 : false };
  }, [from, to, refresh]);
}

/** The wall clock, moving every `everyMs`, for ages. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** `value`, once it has stood still for `delayMs`. */
export function useSettled<T>(value: T, delayMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delayMs);
    return () => clearTimeout(timer);
  }, [value, delayMs]);
  return settled;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Parapet`;
  }, [title]);
}

/** `run` on a bare `key`, unless somebody is typing. */
export function useShortcut(key: string, run: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.target instanceof HTMLElement && event.target.closest('input, textarea, select, [contenteditable]')) return;
      event.preventDefault();
      run();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [key, run]);
}
