import type { JSX } from 'react';
import type { PostureFinding } from '../../api/types';
import { diffLines } from '../../lib/posture';
import { CopyButton } from '../../ui/copy';
import { Panel } from '../../ui/panel';

/** What puts a finding right, ready to be copied: the patch, or what people have to decide first. */
export function Remedy({ finding }: { finding: PostureFinding }): JSX.Element | null {
  const { patch, patch_omitted, repairs, decide, sample } = finding;
  return (
    <>
      {decide && (
        <Panel title="To decide" actions={sample && <CopyButton text={() => sample} label="Copy" name="Copy the sample" />}>
          <p>{decide}</p>
          {sample && (
            <pre className="yaml" tabIndex={0} aria-label="Sample">
              {sample}
            </pre>
          )}
        </Panel>
      )}
      {patch && (
        <Panel title="Patch" sub="for git apply or patch -p1" actions={<CopyButton text={() => patch} label="Copy" name="Copy the patch" />}>
          {repairs && <p>It lets something through that is cut now: read it twice.</p>}
          <pre className="yaml diff" tabIndex={0} aria-label="Patch as a diff">
            {diffLines(patch).map(({ kind, text }, at) => (
              <span key={at} className={kind}>
                {text}
              </span>
            ))}
          </pre>
        </Panel>
      )}
      {patch_omitted && (
        <p className="hint">
          The patch is too long for this page; <code>parapet audit --fix FILE</code> writes it.
        </p>
      )}
    </>
  );
}
