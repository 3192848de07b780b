import { useMemo, type JSX } from 'react';
import type { Posture } from '../../api/types';
import { count } from '../../lib/format';
import { useUrl } from '../../lib/hooks';
import { filtered, keyOf, SEVERITIES, severityTone } from '../../lib/posture';
import { Empty, Panel } from '../../ui/panel';
import { SearchBox } from '../../ui/search-box';
import { VirtualList } from '../../ui/virtual-list';

/** What is wrong, the worst first, narrowed by severity, group, namespace and words. */
export function Findings({ posture }: { posture: Posture }): JSX.Element {
  const { params, set } = useUrl();
  const filter = { severity: params.get('severity'), group: params.get('group'), namespace: params.get('namespace'), text: params.get('q') ?? '' };
  const { severity, group, namespace, text } = filter;
  const shown = useMemo(() => filtered(posture.findings, { severity, group, namespace, text }), [posture, severity, group, namespace, text]);
  const values = (of: 'group' | 'namespace'): string[] => [...new Set(posture.findings.map((finding) => finding[of]))].filter(Boolean).sort();
  return (
    <>
      <div className="row wrap-row">
        <SearchBox value={text} placeholder="Rule, object, file or words" label="Search findings" onChange={(q) => set({ q }, { replace: true })} />
        <div className="segmented" role="group" aria-label="Severity">
          {SEVERITIES.map((one) => (
            <button key={one} type="button" aria-pressed={severity === one} onClick={() => set({ severity: severity === one ? null : one })}>
              {one} <span className="num">{count(posture.findings.filter((finding) => finding.severity === one).length)}</span>
            </button>
          ))}
        </div>
        <Choice label="Group" value={group} values={values('group')} onChange={(value) => set({ group: value })} />
        <Choice label="Namespace" value={namespace} values={values('namespace')} onChange={(value) => set({ namespace: value })} />
      </div>
      <Panel className="lines posture-findings" flush title="Findings" sub={`${count(shown.length)} of ${count(posture.findings_total)}`}>
        {shown.length === 0 ? (
          posture.findings.length === 0 ? <Empty icon="check" title="Nothing is wrong">No rule found anything in these manifests.</Empty> : <Empty icon="search" title="No finding matches">Take a filter away.</Empty>
        ) : (
          <VirtualList
            rows={shown}
            rowKey={keyOf}
            rowHeight={38}
            label="Findings, worst first"
            render={(finding) => (
              <button type="button" className="finding-row" data-open onClick={() => set({ finding: keyOf(finding) })}>
                <span>
                  <span className={`badge ${severityTone(finding.severity)}`}>{finding.severity}</span>
                </span>
                <span className="mono muted nowrap">{finding.rule}</span>
                <span className="truncate" title={finding.message}>
                  <b>{finding.title}</b> <span className="muted">{finding.message}</span>
                </span>
                <span className="truncate muted" title={finding.object}>
                  {finding.object}
                </span>
              </button>
            )}
          />
        )}
      </Panel>
      <p className="hint">
        Every workload counts here, as with <code>parapet audit --all-workloads</code>; without it the command looks at the observability stack’s alone and says less.
      </p>
    </>
  );
}

function Choice({ label, value, values, onChange }: { label: string; value: string | null; values: readonly string[]; onChange: (value: string) => void }): JSX.Element {
  return (
    <select className="select" aria-label={label} value={value ?? ''} onChange={(event) => onChange(event.target.value)}>
      <option value="">{label}: all</option>
      {values.map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  );
}
