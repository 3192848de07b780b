// The API's schemas as types: src/api/schemas.ts, from the committed description. Only what the console reads and sends is
// taken, without prose, so that the file changes exactly when the contract does.
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const DESCRIPTION = new URL('../../docs/reference/openapi.json', import.meta.url);
const TYPES = new URL('../src/api/schemas.ts', import.meta.url);
const ROOTS = ['Explained', 'FieldValues', 'GeneratedPolicy', 'Histogram', 'LogRow', 'MetricNames', 'MetricSeries', 'Minted', 'Posture', 'Session', 'SqlResult', 'Status', 'TokenWish', 'Tokens', 'Trace', 'TraceRow', 'TrafficOverview', 'TrafficRow', 'TrafficTransaction'];

/** What src/api/schemas.ts should hold. */
export async function generate() {
  const { components } = JSON.parse(readFileSync(DESCRIPTION, 'utf8'), (key, value) => (key === 'description' && typeof value === 'string' ? undefined : value));
  const schemas = {};
  const take = (name) => {
    if (name in schemas) return;
    schemas[name] = components.schemas[name];
    for (const [, other] of JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g)) take(other);
  };
  ROOTS.forEach(take);
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  const types = astToString(await openapiTS({ openapi: '3.1.0', info: { title: '', version: '' }, paths: {}, components: { schemas: sorted } }));
  const text = types.slice(types.indexOf('export interface components'), types.indexOf('export type $defs'));
  return `// Written by \`npm run api-types\` from docs/reference/openapi.json.\n${text}`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(TYPES, await generate());
