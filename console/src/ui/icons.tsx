import type { JSX } from 'react';

/** Line drawings on a 24-unit grid. */
const PATHS = {
  overview: 'M4 13h5V4H4zM15 20h5v-9h-5zM4 20h5v-3H4zM15 7h5V4h-5z',
  traffic: 'M4 8h13M13 4l4 4-4 4M20 16H7M11 12l-4 4 4 4',
  logs: 'M5 6h14M5 10h14M5 14h9M5 18h11',
  traces: 'M4 6h9M8 12h9M12 18h8',
  metrics: 'M4 19V5M4 19h16M7 15l4-5 3 3 5-7',
  shield: 'M12 3.5l7.5 2.8v5.2c0 4.4-3 7.6-7.5 9-4.500-1.400-7.500-4.600-7.500-9V6.300zM8.800 12l2.300 2.300 4.200-4.400',
  sql: 'M5 6c0-1.4 3.1-2.5 7-2.5S19 4.6 19 6s-3.1 2.5-7 2.5S5 7.4 5 6zM5 6v12c0 1.4 3.1 2.5 7 2.5s7-1.1 7-2.5V6M5 12c0 1.4 3.1 2.5 7 2.5s7-1.1 7-2.5',
  key: 'M14.5 9.5a4.5 4.5 0 1 0-4.1 4.480L12 12.5h2v-2h.3M7.5 8.5h.01M13.5 12.5l6.5 6.5v1.5h-3v-2h-2v-2l-2.5-2.5',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-4.9-4.9',
  clock: 'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v4.5l3 1.5',
  refresh: 'M19 12a7 7 0 1 1-2.1-5M19.5 3.5v4h-4',
  chevron: 'M9 6l6 6-6 6',
  down: 'M6 9l6 6 6-6',
  close: 'M6 6l12 12M18 6L6 18',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.4 1.4M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4',
  moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z',
  auto: 'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 4v16a8 8 0 0 0 0-16z',
  help: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM9.7 9.5a2.4 2.4 0 1 1 3.3 2.3c-.7.3-1 .8-1 1.7M12 16.5h.01',
  out: 'M14 5H6v14h8M11 12h9M17 8.5l3.5 3.5-3.5 3.5',
  alert: 'M12 4l9 16H3zM12 10v4.5M12 17.2h.01',
  live: 'M12 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM8.1 15.9a5.5 5.5 0 0 1 0-7.8M15.9 8.1a5.5 5.5 0 0 1 0 7.8M5.3 18.7a9.5 9.5 0 0 1 0-13.4M18.7 5.3a9.5 9.5 0 0 1 0 13.4',
  play: 'M7 5l12 7-12 7z',
  pause: 'M8 5v14M16 5v14',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13',
  wrap: 'M4 6h16M4 12h13a3 3 0 0 1 0 6h-4M15 15.5L12.5 18l2.5 2.5M4 18h5',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  inbox: 'M4 13l2.5-8h11L20 13v6H4zM4 13h5l1 2.5h4l1-2.5h5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={1.8} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A wall's battlement: merlons and crenels. */
export function Mark({ size = 24 }: { size?: number }): JSX.Element {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M7 10h4v4h3v-4h4v4h3v-4h4v13H7z" fill="var(--on-accent)" />
    </svg>
  );
}
