import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useState, type JSX, type ReactNode } from 'react';
import { NavLink, useNavigate } from 'react-router';
import { del, messageOf } from './api/client';
import { refreshAll, statusQuery } from './api/queries';
import type { Session } from './api/types';
import { versionName } from './lib/format';
import { useShortcut, useUrl } from './lib/hooks';
import { setTheme, useTheme, type Theme } from './lib/theme';
import { Icon, Mark, type IconName } from './ui/icons';
import { Dialog } from './ui/overlay';

const PAGES: readonly { path: string; label: string; icon: IconName; key: string }[] = [
  { path: '/overview', label: 'Overview', icon: 'overview', key: 'o' },
  { path: '/traffic', label: 'Traffic', icon: 'traffic', key: 't' },
  { path: '/logs', label: 'Logs', icon: 'logs', key: 'l' },
  { path: '/traces', label: 'Traces', icon: 'traces', key: 'c' },
  { path: '/explore', label: 'Metrics', icon: 'metrics', key: 'm' },
  { path: '/posture', label: 'Posture', icon: 'shield', key: 'p' },
  { path: '/sql', label: 'SQL', icon: 'sql', key: 's' },
  { path: '/settings/tokens', label: 'Tokens', icon: 'key', key: 'k' },
];

const NEXT_THEME: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const THEME_ICON: Record<Theme, IconName> = { system: 'auto', light: 'sun', dark: 'moon' };

/** What surrounds every page: where one can go, who one is, and the keyboard. */
export function Shell({ session, children }: { session: Session; children: ReactNode }): JSX.Element {
  const { link } = useUrl();
  const { theme } = useTheme();
  const [help, setHelp] = useState(false);
  const client = useQueryClient();
  const signOut = useMutation({
    mutationFn: () => del('/session'),
    // Loading afresh leaves nothing of the session in memory.
    onSuccess: () => window.location.assign('/'),
  });
  const leaving = signOut.isPending || signOut.isSuccess;
  const status = useQuery({ ...statusQuery, refetchInterval: 15_000, enabled: !leaving });

  useShortcut('?', useCallback(() => setHelp(true), []));
  useShortcut('r', useCallback(() => void refreshAll(client), [client]));
  useShortcut('/', focusSearch);
  useGoto();

  if (leaving) return <div className="boot" aria-label="Signing out" />;
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <aside className="sidebar">
        <NavLink className="brand" to={link('/overview')} aria-label="Parapet">
          <Mark /> <span>Parapet</span>
        </NavLink>
        <nav className="nav" aria-label="Pages">
          {PAGES.map((page) => (
            <NavLink key={page.path} to={link(page.path)} title={page.label}>
              <Icon name={page.icon} /> <span className="label">{page.label}</span>
            </NavLink>
          ))}
        </nav>
        <div className="spacer" />
        {status.data?.store.failed && (
          <NavLink to={link('/overview')} className="badge bad" title={status.data.store.failed}>
            <Icon name="alert" size={12} /> <span>Store has failed</span>
          </NavLink>
        )}
        {status.data?.demo && (
          <div className="badge accent demo" title="The demonstration system is running: its gateway and services are toys, and so is their data">
            Demo <span>data</span>
          </div>
        )}
        <div className="nav">
          <button type="button" title={`Theme: ${theme}`} aria-label={`Theme: ${theme}. Change`} onClick={() => setTheme(NEXT_THEME[theme])}>
            <Icon name={THEME_ICON[theme]} /> <span className="label">Theme: {theme}</span>
          </button>
          <button type="button" title="Keyboard and help (?)" onClick={() => setHelp(true)}>
            <Icon name="help" /> <span className="label">Keyboard</span>
          </button>
        </div>
        {signOut.error && <div className="badge bad" role="alert" title={messageOf(signOut.error)}>Not signed out</div>}
        <div className="account">
          <div className="avatar" aria-hidden="true">
            {session.user.name.slice(0, 1)}
          </div>
          <div className="grow truncate" title={`${session.user.name}, ${session.user.role}`}>
            {session.user.name}
          </div>
          <button type="button" className="button plain small icon" aria-label="Sign out" title="Sign out" onClick={() => signOut.mutate()}>
            <Icon name="out" />
          </button>
        </div>
      </aside>
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
      {help && <Help onClose={() => setHelp(false)} version={status.data?.version} />}
    </div>
  );
}

function focusSearch(): void {
  const box = document.querySelector<HTMLInputElement>('[data-search]');
  box?.focus();
  box?.select();
}

/** `g` and then a page's letter. */
function useGoto(): void {
  const navigate = useNavigate();
  const { link } = useUrl();
  useEffect(() => {
    let armed = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLElement && event.target.closest('input, textarea, select')) return;
      if (event.key === 'g') {
        armed = event.timeStamp;
        return;
      }
      const page = event.timeStamp - armed < 1200 ? PAGES.find((p) => p.key === event.key) : undefined;
      armed = 0;
      if (!page) return;
      event.preventDefault();
      event.stopPropagation();
      void navigate(link(page.path));
    };
    document.addEventListener('keydown', onKey, true);
    return () => document.removeEventListener('keydown', onKey, true);
  }, [navigate, link]);
}

const KEYS: readonly [string[], string][] = [
  [['/'], 'Focus the search box'],
  [['r'], 'Refresh now'],
  [['j', 'k'], 'Next and previous row of a list'],
  [['Enter'], 'Open the row'],
  [['Esc'], 'Close what is open'],
  [['?'], 'This help'],
];

function Help({ onClose, version }: { onClose: () => void; version: string | undefined }): JSX.Element {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="kv keys">
        {KEYS.map(([keys, what]) => (
          <div key={what} className="pair">
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
        {PAGES.map((page) => (
          <div key={page.path} className="pair">
            <dt>
              <kbd>g</kbd> <kbd>{page.key}</kbd>
            </dt>
            <dd>Go to {page.label}</dd>
          </div>
        ))}
      </dl>
      <p className="hint">
        Drag over a chart to zoom into that time. The address holds everything you see: copy it to share.
        {version && ` Parapet, ${versionName(version)}.`}
      </p>
    </Dialog>
  );
}
