import { readFileSync } from 'node:fs';
import { expect, expectTypeOf, test } from 'vitest';
import { generate } from '../../dev/api-types.mjs';
import type { components } from './schemas';
import type * as api from './types';

type Described = components['schemas'];

/**
 * The description calls members that may be null optional, though they are always sent; and it leaves JSON values untyped.
 * Apart from that, what the console believes must be what the server says: `npm run typecheck` compares them.
 */
type Sent<T> = T extends (infer Item)[] ? Sent<Item>[] : T extends object ? { [Key in keyof T]-?: Sent<Exclude<T[Key], undefined>> } : T;

test('the console’s types are the server’s', () => {
  expectTypeOf<keyof Described['LogRow']>().toEqualTypeOf<keyof api.LogRow>();
  expectTypeOf<Sent<Omit<Described['LogRow'], 'attributes' | 'resource'>>>().toExtend<Omit<api.LogRow, 'attributes' | 'resource'>>();
  expectTypeOf<Sent<Described['Histogram']>>().toExtend<api.LogHistogram>();
  expectTypeOf<Sent<Described['FieldValues']>>().toExtend<api.FieldValues>();
  expectTypeOf<Sent<Described['TraceRow']>>().toExtend<api.TraceRow>();
  expectTypeOf<keyof Described['SpanRow']>().toEqualTypeOf<keyof api.Span>();
  expectTypeOf<Sent<Described['TrafficOverview']>>().toExtend<api.TrafficOverview>();
  expectTypeOf<Sent<Described['TrafficRow']>>().toExtend<api.TrafficRow>();
  expectTypeOf<keyof Described['TrafficLeg']>().toEqualTypeOf<keyof api.TrafficLeg>();
  expectTypeOf<keyof Described['TrafficTransaction']>().toEqualTypeOf<keyof api.TrafficEvent>();
  expectTypeOf<Sent<Described['MetricName']>>().toExtend<api.MetricName>();
  expectTypeOf<Sent<Described['SqlResult']>['columns']>().toExtend<api.SqlResult['columns']>();
  expectTypeOf<Sent<Omit<Described['Status'], 'recovery'>>>().toExtend<Omit<api.Status, 'recovery'>>();
  expectTypeOf<Sent<Described['Token']>>().toExtend<api.Token>();
  expectTypeOf<api.NewToken>().toExtend<Described['TokenWish']>();
  expectTypeOf<Sent<Described['Posture']>>().toExtend<api.Posture>();
  expectTypeOf<Sent<Described['Explained']>>().toExtend<api.Explained>();
  expectTypeOf<Sent<Described['GeneratedPolicy']>>().toExtend<api.GeneratedPolicy>();
  expectTypeOf<Sent<Described['Session']>>().toExtend<api.Session>();
});

test('the generated types are those of the committed description', async () => {
  const committed = readFileSync(new URL('./schemas.ts', import.meta.url), 'utf8');
  expect(committed, '`npm run api-types` writes them').toBe(await generate());
});
