import { useMemo, type JSX } from 'react';
import { Link } from 'react-router';
import type { Params } from '../../api/client';
import { useNewestFirst } from '../../api/newest-first';
import type { TraceRow } from '../../api/types';
import { conditionsOf, filterParam } from '../../lib/conditions';
import { clock, count, dateTime, durationMs } from '../../lib/format';
import { useNow, useRange, useUrl } from '../../lib/hooks';
import { dot, hues } from '../../lib/palette';
import { pick } from '../../lib/url-state';
import { Icon } from '../../ui/icons';
import { LeastDuration } from '../../ui/least-duration';
import { NewestFirstList } from '../../ui/newest-first-list';
import { Page } from '../../ui/page';
import { Empty, Panel } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';
import { ConditionChips, FieldFilter } from '../logs/filters';
import '../../styles/traces.css';

const TRACE_ID = /^[0-9a-f]{32}$/i;

export default function Traces(): JSX.Element {
  const { params, set, link } = useUrl();
  const { range, refetchInterval } = useRange();
  const nowMs = useNow(60_000);
  const asked: Params = useMemo(
    () => ({ ...range, ...pick(params, ['service', 'q', 'status', 'min_duration_ms']), filter: filterParam(conditionsOf(params.getAll('where'))) }),
    [params, range],
  );
  const list = useNewestFirst<TraceRow>('/traces', asked, { refetchInterval });
  const longest = useMemo(() => list.rows.reduce((most, row) => Math.max(most, row.duration_ms), 0), [list.rows]);
  const colors = useMemo(() => hues(list.rows.flatMap((row) => row.services)), [list.rows]);
  const q = params.get('q') ?? '';
  const errorsOnly = params.get('status') === 'error';
  const filtered = ['service', 'q', 'status', 'min_duration_ms', 'where'].some((key) => params.has(key));

  return (
    <Page title="Traces" fixed>
      <div className="row wrap-row">
        <SearchBox value={q} placeholder="Part of the first span’s name, or a trace id" label="Search traces" onChange={(text) => set({ q: text }, { replace: true })} />
        {TRACE_ID.test(q.trim()) && (
          <Link className="button primary tall" to={link(`/traces/${q.trim().toLowerCase()}`)}>
            Open this trace
          </Link>
        )}
        <FieldFilter field="service_name" label="Service" value={params.get('service')} params={{ ...range }} onChange={(service) => set({ service })} />
        <LeastDuration value={params.get('min_duration_ms')} onChange={(ms) => set({ min_duration_ms: ms })} />
        <button type="button" className="button" aria-pressed={errorsOnly} onClick={() => set({ status: errorsOnly ? null : 'error' })}>
          <Icon name="alert" size={14} /> Errors only
        </button>
      </div>
      {params.has('where') && (
        <div className="row wrap-row">
          <ConditionChips />
        </div>
      )}
      <Panel className="fill lines" flush>
        <NewestFirstList
          list={list}
          what="traces"
          label="Traces, newest first"
          rowKey={(row) => row.trace_id}
          rowHeight={38}
          empty={
            filtered ? (
              <Empty icon="search" title="No trace matches">Nothing in this range fits the filters. Widen the range, or take a filter away.</Empty>
            ) : (
              <Empty icon="traces" title="No traces in this range yet">
                Spans arrive by OTLP: point an OpenTelemetry SDK or collector at ports 4317 (gRPC) or 4318 (HTTP) with an ingest token; or try --demo.
              </Empty>
            )
          }
          header={
            <div className="trace-row head" aria-hidden="true">
              <span>Time</span>
              <span>Name</span>
              <span className="hide-narrow">Services</span>
              <span className="right">Spans</span>
              <span>Duration</span>
            </div>
          }
          render={(row) => (
            <Link className="trace-row" data-open to={link(`/traces/${row.trace_id}`)}>
              <span className="mono muted" title={dateTime(row.ts)}>
                {clock(row.ts, nowMs)}
              </span>
              <span className="row">
                <span className="truncate">
                  <b>{row.root_name || 'unnamed'}</b> <span className="faint">{row.root_service}</span>
                </span>
                {row.error_count > 0 && <span className="badge bad">{count(row.error_count)} {row.error_count === 1 ? 'error' : 'errors'}</span>}
              </span>
              <span className="row hide-narrow services">
                {row.services.slice(0, 4).map((service) => (
                  <span key={service} className="row service">
                    <i className="swatch" style={dot(colors.get(service) ?? '')} /> <span className="truncate">{service}</span>
                  </span>
                ))}
                {row.services.length > 4 && <span className="faint">+{row.services.length - 4}</span>}
              </span>
              <span className="right num">{count(row.span_count)}</span>
              <span className="duration">
                <span className="meter">
                  <i style={{ ...dot(row.error_count > 0 ? 'var(--data-5xx)' : 'var(--accent)'), width: `${longest > 0 ? Math.max((100 * row.duration_ms) / longest, 1) : 1}%` }} />
                </span>
                <span className="num">{durationMs(row.duration_ms)}</span>
              </span>
            </Link>
          )}
        />
      </Panel>
    </Page>
  );
}
