import { expect, test } from 'vitest';
import { prettyBody, searchedFor, viewBody } from './log-body';

test.each([
  ['plain text', { message: 'plain text', fields: [] }],
  ['{"time":"t","level":"info","msg":"started","port":8443,"trace_id":"ab"}', { message: 'started', fields: [['port', '8443']] }],
  ['{"timestamp":"t","level":"INFO","fields":{"message":"hello","user":"a b"},"target":"x"}', { message: 'hello', fields: [['target', 'x'], ['user', 'a b']] }],
  ['{"no":"message"}', { message: '{"no":"message"}', fields: [] }],
  ['{"msg": broken}', { message: '{"msg": broken}', fields: [] }],
  ['{"msg":7,"event":"seven"}', { message: 'seven', fields: [['msg', '7']] }],
  ['[1]', { message: '[1]', fields: [] }],
])('%s', (body, view) => expect(viewBody(body)).toEqual(view));

test('only JSON is indented', () => {
  expect(prettyBody('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(prettyBody('{a}')).toBe('{a}');
});

test.each([
  ['', null],
  ['-healthz', null],
  ['timeout', 'Timeout, TIMEOUT'],
  ['"a b" -c', 'A b'],
  ['50% (x)', '50%, (x)'],
])('%s marks what it looks for', (q, found) => {
  const text = 'Timeout TIMEOUT healthz A b a-b 50% (x)';
  const pattern = searchedFor(q);
  expect(pattern === null ? null : [...text.matchAll(pattern)].map(([hit]) => hit).join(', ')).toBe(found);
});
