import { useQuery } from '@tanstack/react-query';
import { useRef, useState, type JSX } from 'react';
import { ApiError, messageOf, post } from '../../api/client';
import type { SqlResult } from '../../api/types';
import { count, durationMs, exact } from '../../lib/format';
import { useUrl } from '../../lib/hooks';
import { CopyButton } from '../../ui/copy';
import { Icon } from '../../ui/icons';
import { Popover } from '../../ui/overlay';
import { Page } from '../../ui/page';
import { Empty, Panel, Skeleton } from '../../ui/panel';
import { Results } from './results';
import { EXAMPLES, TABLES } from './schema';
import { csv } from '../../lib/csv';
import '../../styles/sql.css';

const MAX_ROWS = 10_000;
const TIMEOUT_MS = 30_000;

export default function Sql(): JSX.Element {
  const { params, set } = useUrl();
  const asked = params.get('q');
  const [text, setText] = useState(asked ?? EXAMPLES[0]?.query ?? '');
  const [known, setKnown] = useState(asked);
  const editor = useRef<HTMLTextAreaElement>(null);
  if (asked !== known) {
    setKnown(asked);
    if (asked !== null) setText(asked);
  }
  const query = useQuery({
    queryKey: ['sql', asked],
    queryFn: ({ signal }) => post<SqlResult>('/sql', { query: asked, max_rows: MAX_ROWS, timeout_ms: TIMEOUT_MS }, signal),
    enabled: Boolean(asked),
    staleTime: Infinity,
    gcTime: 60_000,
    retry: false,
  });

  const run = (wanted: string): void => {
    const next = wanted.trim();
    if (next === '') return;
    if (next === asked) void query.refetch();
    else set({ q: next });
  };
  const insert = (word: string): void => {
    const area = editor.current;
    if (!area) return;
    area.focus();
    area.setRangeText(word, area.selectionStart, area.selectionEnd, 'end');
    setText(area.value);
  };

  return (
    <Page title="SQL" timed={false} fixed lead={<span className="muted hide-narrow">Read-only, over everything that is stored</span>}>
      <div className="sql-layout">
        <Panel className="sql-editor">
          <textarea
            ref={editor}
            className="textarea"
            data-search
            aria-label="Query"
            spellCheck={false}
            rows={8}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                run(text);
              }
            }}
          />
          <div className="row wrap-row sql-bar">
            <button type="button" className="button primary" disabled={query.isFetching || text.trim() === ''} onClick={() => run(text)}>
              <Icon name="play" size={13} /> {query.isFetching ? 'Running…' : 'Run'}
            </button>
            <kbd>Ctrl Enter</kbd>
            <Popover name="Examples" label={<>Examples <Icon name="down" size={13} /></>}>
              {(close) =>
                EXAMPLES.map((example) => (
                  <button
                    key={example.name}
                    type="button"
                    className="menu-item"
                    onClick={() => {
                      setText(example.query);
                      run(example.query);
                      close();
                    }}
                  >
                    {example.name}
                  </button>
                ))
              }
            </Popover>
            <span className="grow" />
            {query.data && (
              <>
                <span className="muted num">
                  {exact(query.data.rows.length)} rows in {durationMs(query.data.elapsed_ms)}
                </span>
                {query.data.truncated && <span className="badge warn" title={`Only the first ${exact(MAX_ROWS)} rows are fetched; add a LIMIT or group them`}>truncated</span>}
                <CopyButton text={() => csv(query.data.columns.map((column) => column.name), query.data.rows)} label="Copy CSV" name="Copy the rows as CSV" />
                <CopyButton text={() => JSON.stringify(query.data, null, 2)} label="Copy JSON" name="Copy the rows as JSON" />
              </>
            )}
          </div>
        </Panel>
        <Panel title="Tables" sub="click to insert" className="sql-schema" flush>
          <div className="schema">
            {Object.entries(TABLES).map(([table, columns]) => (
              <details key={table}>
                <summary>
                  <span className="mono">{table}</span> <span className="faint num">{count(columns.length)}</span>
                </summary>
                {columns.map((column) => (
                  <button key={column} type="button" className="mono" onClick={() => insert(column)}>
                    {column}
                  </button>
                ))}
              </details>
            ))}
            <p className="hint">
              <code>attr(attributes, 'http.route')</code> reads a key of a JSON column.
            </p>
          </div>
        </Panel>
        <Panel className="lines sql-results" flush>
          {!asked ? (
            <Empty icon="sql" title="Run a query">
              Tables: logs, spans, metrics, traffic. The address keeps the query, so that it can be shared.
            </Empty>
          ) : query.isFetching && !query.data ? (
            <Skeleton lines={8} />
          ) : query.error ? (
            <Refused error={query.error} />
          ) : query.data ? (
            query.data.rows.length === 0 ? (
              <Empty icon="inbox" title="No rows">The query ran, and nothing fits it.</Empty>
            ) : (
              <Results key={query.dataUpdatedAt} result={query.data} />
            )
          ) : null}
        </Panel>
      </div>
    </Page>
  );
}

function Refused({ error }: { error: unknown }): JSX.Element {
  return (
    <div className="sql-refused">
      <div className="problem" role="alert">
        <Icon name="alert" />
        <div>
          <b>{error instanceof ApiError ? error.message : 'The query failed'}</b>
          <pre>{messageOf(error)}</pre>
        </div>
      </div>
    </div>
  );
}
