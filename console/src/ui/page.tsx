import type { JSX, ReactNode } from 'react';
import { useTitle } from '../lib/hooks';
import { TimePicker } from './time-picker';

interface PageProps {
  title: string;
  /** Beside the title. */
  lead?: ReactNode;
  /** Whether the page looks at a range of time. */
  timed?: boolean;
  /** The page fills the window and its list scrolls, rather than the page. */
  fixed?: boolean;
  children: ReactNode;
}

export function Page({ title, lead, timed = true, fixed = false, children }: PageProps): JSX.Element {
  useTitle(title);
  return (
    <>
      <header className="topbar">
        <h1>{title}</h1>
        {lead}
        <span className="grow" />
        {timed && <TimePicker />}
      </header>
      <div className={fixed ? 'page fixed' : 'page'}>{children}</div>
    </>
  );
}
