import { expect, test } from 'vitest';
import { conditionsOf, filterParam, formatCondition, parseCondition, withCondition } from './conditions';

test.each([
  ['attributes.http.route:/orders?a=b:c', { field: 'attributes.http.route', value: '/orders?a=b:c', not: false }],
  ['!host_name:a', { field: 'host_name', value: 'a', not: true }],
  ['attributes.status=500', { field: 'attributes.status', value: 500, not: false }],
  ['attributes.slow=true', { field: 'attributes.slow', value: true, not: false }],
  ['empty:', { field: 'empty', value: '', not: false }],
])('%s is read and written back', (text, condition) => {
  expect(parseCondition(text)).toEqual(condition);
  expect(formatCondition(condition)).toBe(text);
});

test.each(['', 'field', ':x', 'a=', 'a=nonsense', '!'])('%s is none', (text) => expect(parseCondition(text)).toBeNull());

test('the API gets a filter tree', () => {
  expect(filterParam([])).toBeUndefined();
  expect(JSON.parse(filterParam(conditionsOf(['a:1'])) ?? '')).toEqual({ eq: { field: 'a', value: '1' } });
  expect(JSON.parse(filterParam(conditionsOf(['a:1', '!b=2', 'junk'])) ?? '')).toEqual({ and: [{ eq: { field: 'a', value: '1' } }, { not: { eq: { field: 'b', value: 2 } } }] });
});

test('a condition replaces its opposite and itself', () => {
  const condition = { field: 'a', value: '1', not: true };
  expect(withCondition(['a:1', 'b:2', '!a:1'], condition)).toEqual(['b:2', '!a:1']);
});
