import type { UseQueryResult } from '@tanstack/react-query';
import { Component, type ErrorInfo, type JSX, type ReactNode } from 'react';
import { ApiError, messageOf } from '../api/client';
import { Icon, type IconName } from './icons';

interface PanelProps {
  title?: ReactNode;
  sub?: ReactNode;
  actions?: ReactNode;
  className?: string;
  flush?: boolean;
  children: ReactNode;
}

/** A titled box that keeps whatever goes wrong inside to itself. */
export function Panel({ title, sub, actions, className = '', flush = false, children }: PanelProps): JSX.Element {
  return (
    <section className={`panel ${className}`} aria-label={typeof title === 'string' ? title : undefined}>
      {title !== undefined && (
        <header>
          <h2>{title}</h2>
          {sub !== undefined && <span className="sub truncate">{sub}</span>}
          <span className="grow" />
          {actions}
        </header>
      )}
      <div className={flush ? 'body flush' : 'body'}>
        <Contained>{children}</Contained>
      </div>
    </section>
  );
}

interface LoadedProps<T> {
  query: UseQueryResult<T>;
  /** Shown while nothing is known yet. */
  loading?: ReactNode;
  /** Whether the answer holds nothing to show, and what to say then. */
  isEmpty?: (data: T) => boolean;
  empty?: ReactNode;
  children: (data: T) => ReactNode;
}

/** The four states of anything that is asked for: loading, refused, empty, there. Old data outlives a failed refresh. */
export function Loaded<T>({ query, loading, isEmpty, empty, children }: LoadedProps<T>): ReactNode {
  if (query.data === undefined) {
    if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
    return loading ?? <Skeleton lines={4} />;
  }
  return (
    <>
      {query.error && <Stale error={query.error} />}
      {isEmpty?.(query.data) ? empty : children(query.data)}
    </>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }): JSX.Element {
  const title = error instanceof ApiError ? error.message : 'This panel failed';
  const detail = messageOf(error);
  return (
    <div className="state" role="alert">
      <Icon name="alert" size={22} />
      <div className="title">{title}</div>
      {detail !== title && <p>{detail}</p>}
      {retry && (
        <button type="button" className="button small" onClick={retry}>
          <Icon name="refresh" size={13} /> Try again
        </button>
      )}
    </div>
  );
}

function Stale({ error }: { error: unknown }): JSX.Element {
  return (
    <div className="badge warn stale" role="status" title={messageOf(error)}>
      Not up to date: {error instanceof ApiError ? error.message : 'refresh failed'}
    </div>
  );
}

interface EmptyProps {
  icon?: IconName;
  title: string;
  children?: ReactNode;
}

/** An empty panel says what it waits for. */
export function Empty({ icon = 'inbox', title, children }: EmptyProps): JSX.Element {
  return (
    <div className="state">
      <Icon name={icon} size={24} />
      <div className="title">{title}</div>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Skeleton({ lines = 4, height }: { lines?: number; height?: number }): JSX.Element {
  if (height !== undefined) return <div className="skeleton" style={{ height }} aria-label="Loading" />;
  return (
    <div className="skeleton-lines" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="skeleton" style={{ width: `${92 - ((i * 23) % 47)}%` }} />
      ))}
    </div>
  );
}

/** Catches what rendering throws, so that one panel or page never takes the others along. */
export class Contained extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    reportError(new Error(`a panel failed to render${info.componentStack ?? ''}`, { cause: error }));
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return <Failure error={this.state.error} retry={() => this.setState({ error: null })} />;
  }
}
