import type { JSX } from 'react';
import { at, textAt } from '../../lib/http-headers';
import { durationMs } from '../../lib/format';
import { dot } from '../../lib/palette';

const DEEPEST = 20;

/** The circuit path: policies, their filters, and the policies that those called. */
export function Policies({ nodes, depth = 0 }: { nodes: unknown[]; depth?: number }): JSX.Element | null {
  if (depth > DEEPEST) return null;
  return (
    <ul className={depth === 0 ? 'policies' : 'policies nested'}>
      {nodes.map((node, i) => (
        <li key={i}>
          <div className="policy">
            <b className="truncate">{textAt(node, 'policy') ?? 'Policy'}</b>
            <span className="faint num">{durationMs(Number(at(node, 'execTime') ?? 0))}</span>
          </div>
          <ul className="filters">
            {list(at(node, 'filters')).map((filter, j) => {
              const status = textAt(filter, 'status') ?? '';
              const message = textAt(filter, 'filterMessage');
              const inner = list(at(filter, 'subPaths'));
              return (
                <li key={j}>
                  <div className="policy-filter">
                    <i className="dot" style={dot(status === 'Pass' ? 'var(--data-2xx)' : 'var(--data-5xx)')} />
                    <span className="truncate" title={textAt(filter, 'class') ?? ''}>
                      {textAt(filter, 'name') ?? textAt(filter, 'type')}
                    </span>
                    {message && <span className="faint truncate">{message}</span>}
                    <span className={status === 'Pass' ? 'faint' : 'bad'}>{status}</span>
                    <span className="num faint">{durationMs(Number(at(filter, 'execTime') ?? 0))}</span>
                  </div>
                  {inner.length > 0 && <Policies nodes={inner} depth={depth + 1} />}
                </li>
              );
            })}
          </ul>
        </li>
      ))}
    </ul>
  );
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
