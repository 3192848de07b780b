import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'parapet.theme'; // also read by public/theme.js
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

dark.addEventListener('change', () => listeners.forEach((tell) => tell()));

function chosen(): Theme {
  const theme = document.documentElement.dataset.theme;
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function setTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  listeners.forEach((tell) => tell());
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

/** What was chosen, and what it comes to on this screen. */
export function useTheme(): { theme: Theme; shown: 'light' | 'dark' } {
  const theme = useSyncExternalStore(subscribe, chosen);
  const system = useSyncExternalStore(subscribe, () => dark.matches);
  return { theme, shown: theme === 'system' ? (system ? 'dark' : 'light') : theme };
}
