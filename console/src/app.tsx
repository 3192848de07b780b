import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, type JSX } from 'react';
import { Navigate, Route, Routes, useLocation } from 'react-router';
import { sessionQuery } from './api/queries';
import { Login } from './pages/login';
import { Shell } from './shell';
import { Contained, Empty, Failure, Skeleton } from './ui/panel';

// One chunk a page: the first load is the shell and the page that was asked for.
const Overview = lazy(() => import('./pages/overview'));
const Traffic = lazy(() => import('./pages/traffic'));
const Logs = lazy(() => import('./pages/logs'));
const Traces = lazy(() => import('./pages/traces'));
const TraceDetail = lazy(() => import('./pages/trace'));
const Metrics = lazy(() => import('./pages/metrics'));
const Posture = lazy(() => import('./pages/posture'));
const Sql = lazy(() => import('./pages/sql'));
const Tokens = lazy(() => import('./pages/tokens'));

/** Asks who you are, then shows what the URL names. Signing in keeps the URL, so that a shared link survives it. */
export function App(): JSX.Element {
  const session = useQuery(sessionQuery);
  const { pathname, search } = useLocation();

  if (session.data === undefined) {
    if (session.error) return <Failure error={session.error} retry={() => void session.refetch()} />;
    return <div className="boot" aria-label="Loading" />;
  }
  if (session.data === null) return <Login />;

  return (
    <Shell session={session.data}>
      <Contained key={pathname}>
        <Suspense fallback={<Skeleton lines={8} />}>
          <Routes>
            <Route path="/" element={<Navigate to={`/overview${search}`} replace />} />
            <Route path="/login" element={<Navigate to="/overview" replace />} />
            <Route path="/overview" element={<Overview />} />
            <Route path="/traffic" element={<Traffic />} />
            <Route path="/logs" element={<Logs />} />
            <Route path="/traces" element={<Traces />} />
            <Route path="/traces/:traceId" element={<TraceDetail />} />
            {/* /metrics is the server's own, for Prometheus. */}
            <Route path="/explore" element={<Metrics />} />
            <Route path="/posture" element={<Posture />} />
            <Route path="/sql" element={<Sql />} />
            <Route path="/settings/tokens" element={<Tokens />} />
            <Route path="*" element={<Empty icon="search" title="There is no such page">The address may have been mistyped; every page is on the left.</Empty>} />
          </Routes>
        </Suspense>
      </Contained>
    </Shell>
  );
}
