import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState, type CSSProperties, type JSX } from 'react';
import { Link, useParams } from 'react-router';
import { ApiError, get } from '../../api/client';
import type { LogRow, Page as PageOf, Trace } from '../../api/types';
import { count, dateTime, durationNs } from '../../lib/format';
import { useNow, useUrl } from '../../lib/hooks';
import { dot, hues } from '../../lib/palette';
import { absolute } from '../../lib/time-range';
import { layout, visible, type Waterfall } from '../../lib/waterfall';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { Page } from '../../ui/page';
import { Empty, Failure, Loaded, Panel, Skeleton } from '../../ui/panel';
import { VirtualList } from '../../ui/virtual-list';
import { LogLine } from '../logs/line';
import { rowKey } from '../logs/state';
import { SpanDetails } from './span';
import { TimeAxis, WaterfallLine } from './line';
import '../../styles/logs.css';
import '../../styles/traces.css';

export default function TraceDetail(): JSX.Element {
  const { traceId = '' } = useParams();
  const { link } = useUrl();
  const query = useQuery({
    queryKey: ['trace', traceId],
    queryFn: ({ signal }) => get<Trace>(`/traces/${encodeURIComponent(traceId)}`, {}, signal),
    staleTime: 15_000,
  });
  const waterfall = useMemo(() => (query.data ? layout(query.data.spans) : null), [query.data]);
  const root = waterfall?.rows[0]?.span;

  return (
    <Page
      title={root ? root.name : 'Trace'}
      timed={false}
      fixed
      lead={
        <>
          <span className="faint mono trace-id">{traceId}</span>
          <CopyButton text={() => traceId} name="Copy the trace id" />
          <Link className="button small" to={link('/traces')}>
            All traces
          </Link>
          {query.data && <CopyButton text={() => JSON.stringify(query.data, null, 2)} label="Copy as JSON" name="Copy this trace as JSON" />}
        </>
      }
    >
      {query.isPending ? (
        <Panel className="fill"><Skeleton lines={10} /></Panel>
      ) : query.data && waterfall ? (
        <TraceView trace={query.data} waterfall={waterfall} />
      ) : (
        <Panel className="fill">
          {query.error instanceof ApiError && query.error.status === 404 ? (
            <Empty icon="traces" title="This trace is not stored">
              Its spans haven’t arrived yet, were not sampled, or are past retention.
            </Empty>
          ) : (
            <Failure error={query.error} retry={() => void query.refetch()} />
          )}
        </Panel>
      )}
    </Page>
  );
}

const SPAN_HEIGHT = 28;

function TraceView({ trace, waterfall }: { trace: Trace; waterfall: Waterfall }): JSX.Element {
  const { params, set } = useUrl();
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const colors = useMemo(() => hues(waterfall.services), [waterfall]);
  const rows = useMemo(() => visible(waterfall.rows, collapsed), [waterfall, collapsed]);
  const chosen = params.get('span');
  const selected = waterfall.rows.find((row) => row.span.span_id === chosen);
  const select = useCallback((id: string) => set({ span: id }, { replace: true }), [set]);
  const toggle = useCallback((id: string) => {
    setCollapsed((now) => {
      const next = new Set(now);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);

  return (
    <>
      <div className="row wrap-row trace-facts">
        <span>
          <b className="num">{durationNs(waterfall.durationUs * 1000)}</b> <span className="faint">from</span> <span className="num">{dateTime(new Date(waterfall.startMs).toISOString())}</span>
        </span>
        <span className="faint">·</span>
        <span>{count(trace.spans.length)} spans</span>
        {waterfall.errors > 0 && <span className="badge bad">{count(waterfall.errors)} with errors</span>}
        {trace.truncated && <span className="badge warn" title="There are more spans than one page of a trace holds">not all spans shown</span>}
        <span className="grow" />
        {waterfall.services.map((service) => (
          <span key={service} className="row service">
            <i className="swatch" style={dot(colors.get(service) ?? '')} /> {service}
          </span>
        ))}
      </div>
      <div className={selected ? 'fill trace-layout with-details' : 'fill trace-layout'} style={{ '--spans': `${rows.length * SPAN_HEIGHT + 34}px` } as CSSProperties}>
        <Panel className="lines waterfall" flush>
          <VirtualList
            rows={rows}
            rowKey={(row) => row.span.span_id}
            rowHeight={SPAN_HEIGHT}
            label="Spans of this trace"
            header={<TimeAxis durationUs={waterfall.durationUs} />}
            render={(row) => (
              <WaterfallLine
                row={row}
                durationUs={waterfall.durationUs}
                color={colors.get(row.span.service_name ?? 'unknown') ?? ''}
                selected={row.span.span_id === chosen}
                collapsed={collapsed.has(row.span.span_id)}
                onSelect={select}
                onToggle={toggle}
              />
            )}
          />
        </Panel>
        <TraceLogs traceId={trace.trace_id} waterfall={waterfall} spanId={chosen} />
        {selected && <SpanDetails row={selected} color={colors.get(selected.span.service_name ?? 'unknown') ?? ''} onClose={() => set({ span: null }, { replace: true })} />}
      </div>
    </>
  );
}

const SHOWN_LOGS = 500;
const ROOM_MS = 10 * 60_000;

/** Log lines that carry this trace's id; those of the chosen span stand out. */
function TraceLogs({ traceId, waterfall, spanId }: { traceId: string; waterfall: Waterfall; spanId: string | null }): JSX.Element {
  const [open, setOpen] = useState<string | null>(null);
  const nowMs = useNow(60_000);
  const { from, to } = absolute(waterfall.startMs - ROOM_MS, waterfall.startMs + waterfall.durationUs / 1000 + ROOM_MS);
  const query = useQuery({
    queryKey: ['trace-logs', traceId, from, to],
    queryFn: ({ signal }) => get<PageOf<LogRow>>('/logs', { from, to, trace_id: traceId, limit: SHOWN_LOGS }, signal),
  });
  const toggle = useCallback((row: LogRow) => setOpen((now) => (now === rowKey(row) ? null : rowKey(row))), []);
  const rows = useMemo(() => [...(query.data?.rows ?? [])].reverse(), [query.data]);
  const { link } = useUrl();
  return (
    <Panel
      className="lines trace-logs"
      flush
      title="Logs of this trace"
      sub={query.data ? `${count(rows.length)}${query.data.next_cursor ? ' newest' : ''} ${rows.length === 1 ? 'line' : 'lines'}, oldest first` : ''}
      actions={
        <Link className="button small" to={link('/logs', { from, to, trace_id: traceId })}>
          <Icon name="logs" size={13} /> Open in Logs
        </Link>
      }
    >
      <Loaded query={query} loading={<Skeleton lines={3} />} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="No log lines carry this trace id">Loggers that write trace_id, or send by OTLP inside a span, show up here.</Empty>}>
        {() => (
          <VirtualList
            rows={rows}
            rowKey={rowKey}
            rowHeight={26}
            label="Log lines of this trace"
            render={(row) => (
              <div className={spanId && row.span_id === spanId ? 'of-span' : ''}>
                <LogLine row={row} open={open === rowKey(row)} wrap={false} nowMs={nowMs} onToggle={toggle} />
              </div>
            )}
          />
        )}
      </Loaded>
    </Panel>
  );
}
