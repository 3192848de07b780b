import { renderToStaticMarkup } from 'react-dom/server';
import { expect, test } from 'vitest';
import type { PostureFinding } from '../../api/types';
import { Remedy } from './remedy';

function shown(patch: Partial<PostureFinding>): string {
  const finding = { rule: 'OBS-X-01', title: '', severity: 'high', group: '', object: '', namespace: 'a', file: 'a.yaml', line: 1, column: 1, message: '', evidence: [], why: '', fix: '', patch: '', patch_omitted: false, repairs: false, decide: '', sample: '', workloads: [] };
  return renderToStaticMarkup(<Remedy finding={{ ...finding, ...patch }} />);
}

const diff = '--- a/a.yaml\n+++ b/a.yaml\n@@ -1,2 +1,2 @@\n kind: Pod\n-image: <b>\n+image: b:1\n';

test('a patch is shown line by line, can be copied, and is never markup', () => {
  const html = shown({ patch: diff });
  expect(html).toContain('aria-label="Copy the patch"');
  expect(html).toContain('<span class="removed">-image: &lt;b&gt;\n</span><span class="added">+image: b:1\n</span>');
  expect(html).not.toContain('read it twice');
  expect(html).not.toContain('To decide');
});

test('a patch that opens something says so', () => {
  expect(shown({ patch: diff, repairs: true })).toContain('read it twice');
});

test('where people decide there is the question and a sample, if there can be one', () => {
  const html = shown({ decide: 'Which release was tested.', sample: 'image: a:1\n' });
  expect(html).toContain('Which release was tested.');
  expect(html).toContain('aria-label="Copy the sample"');
  expect(shown({ decide: 'Whether it stays.' })).not.toContain('Copy the sample');
});

test('what is too long is named with the command that writes it', () => {
  expect(shown({ patch_omitted: true })).toContain('parapet audit --fix FILE');
});

test('without a remedy there is nothing', () => {
  expect(shown({})).toBe('');
});
