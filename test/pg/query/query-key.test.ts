import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asOf } from '../../../core/query/as-of.ts';
import { NOW } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { canonicalKeyValue } from '../../../core/types/key.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { StoreHistory } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

async function canonical(columns: string[], kinds: string[], pk: string): Promise<string> {
  const { rows } = await databases.store.query<{ key: string }>(
    'SELECT pgtimewarp.canonical_key($1, $2, $3::jsonb) AS key',
    [columns, kinds, pk],
  );
  return rows[0]!.key;
}

describe('a value of one key column', () => {
  test.each([
    ['int4', '42', '42'],
    ['int4', '"0042"', '42'],
    ['int8', '9007199254740993', '9007199254740993'],
    ['int2', '-0', '0'],
    ['numeric', '1.00', '1'],
    ['numeric', '"1.10"', '1.1'],
    ['numeric', '123456789012345678901234567890.50', '123456789012345678901234567890.5'],
    ['numeric', '"NaN"', 'NaN'],
    ['numeric', '100', '100'],
    ['float8', '"-0"', '0'],
    ['float8', '0.1', '0.1'],
    ['float8', '1e300', '1e+300'],
    ['float4', '0.1', '0.1'],
    ['bool', 'true', 'true'],
    ['bool', '"f"', 'false'],
    ['text', '"a \\"b\\" \\u0001 é\\n"', 'a "b" \u0001 é\n'],
    ['text', '42', '42'],
    ['text', '" spaces "', ' spaces '],
    ['varchar', '""', ''],
    ['bpchar', '"ab   "', 'ab'],
    ['citext', '"ÄrgerΣ İ"', 'ärgerσ i'],
    ['citext', '"ABC"', 'abc'],
    ['enum', '"Red"', 'Red'],
    ['name', '"n"', 'n'],
    ['char', '"c"', 'c'],
    ['uuid', '"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['bytea', '"\\\\xDEADbeef"', '\\xdeadbeef'],
    ['timestamptz', '"2026-01-01T12:00:00.120000+02:00"', '2026-01-01 10:00:00.12+00'],
    ['timestamp', '"2026-01-01T12:00"', '2026-01-01 12:00:00'],
    ['date', '"20260102"', '2026-01-02'],
    ['time', '"04:05"', '04:05:00'],
    ['timetz', '"04:05+2"', '04:05:00+02'],
    ['inet', '"10.0.0.1/32"', '10.0.0.1'],
    ['inet', '"10.0.0.1/8"', '10.0.0.1/8'],
    ['cidr', '"10.0.0.0/8"', '10.0.0.0/8'],
    ['macaddr', '"08002B010203"', '08:00:2b:01:02:03'],
    ['macaddr8', '"08-00-2B-01-02-03-04-05"', '08:00:2b:01:02:03:04:05'],
    ['bit', '"101"', '101'],
    ['varbit', '"0101"', '0101'],
    ['oid', '42', '42'],
    ['pg_lsn', '"0/0ABC"', '0/ABC'],
    ['xid8', '7', '7'],
    ['money', '"1.5"', '$1.50'],
  ])('of kind %s: %s is %s, whatever the settings of the session', async (kind, json, value) => {
    await databases.store.query(`SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET bytea_output = 'escape';
                                 SET extra_float_digits = -5; SET search_path = public`);
    expect(await canonical(['k'], [kind], json)).toBe(JSON.stringify([value]));
    expect(await canonical(['k'], [kind], `{"k": ${json}}`)).toBe(JSON.stringify([value]));
    // the side that writes history leaves the canonical text as it is
    expect(canonicalKeyValue({ name: kind } as Parameters<typeof canonicalKeyValue>[0], value)).toBe(value);
  });
});

test('a composite key is in key order, however it is written', async () => {
  const columns = ['region', 'id'];
  expect(await canonical(columns, ['text', 'int4'], '{"id": "07", "region": "eu"}')).toBe('["eu","7"]');
});

describe('a key that the table cannot have', () => {
  test.each([
    ['42', /2 columns/],
    ['{"region": "eu"}', /column id is missing/],
    ['{"region": "eu", "id": 1, "x": 2}', /not a column of the key: x/i],
    ['{"region": "eu", "id": null}', /column id cannot be null/],
    ['{"region": "eu", "id": [1]}', /column id cannot be array/],
    ['{"region": "eu", "id": "abc"}', /column id .*invalid input syntax for type integer/],
    ['{"region": "eu", "id": 99999999999}', /column id .*out of range/],
  ])('%s', async (pk, message) => {
    const h = await StoreHistory.create(databases.store);
    await h.track({ columns: ['region', 'id'], kinds: ['text', 'int4'] });
    const table = { schema: 'public', name: 't' };
    const asked = asOf(databases.store, { node: h.node, table, pk: keyFromText(pk), at: NOW });
    await expect(asked).rejects.toMatchObject({ code: 'BAD_KEY', message: expect.stringMatching(message) });
    const hint = asked.catch((error: { remedy: string }) => error.remedy);
    expect(await hint).toMatch(/region, id|string, a number|a value of its type/);
  });

  test('or that jsonb cannot hold', async () => {
    const h = await StoreHistory.create(databases.store);
    await h.track({ kinds: ['text'] });
    const pk = keyFromText('{"id": "\\u0000"}');
    const asked = asOf(databases.store, {
      node: h.node,
      table: { schema: 'public', name: 't' },
      pk,
      at: NOW,
    });
    await expect(asked).rejects.toMatchObject({ code: 'BAD_KEY' });
  });
});

test.each([
  ['date', 'today'],
  ['timestamptz', 'NOW'],
  ['timestamp', 'yesterday 12:00'],
  ['time', 'now'],
])('a key of kind %s: %s is refused, because it would be another key tomorrow', async (kind, word) => {
  await expect(canonical(['k'], [kind], JSON.stringify(word))).rejects.toThrow(/changes with the clock/);
});

test('a bare value may look like anything', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track({ kinds: ['text'] });
  for (const key of ['42', '007', 'abc', 'null', '{x', '"q"']) {
    await h.change(t, 20, 'I', key, { row: '{"n":1}' });
    expect(await h.verdict(20, key)).toBe('found 1');
  }
});

test('an untracked table and an unknown node have codes of their own', async () => {
  const h = await StoreHistory.create(databases.store);
  await expect(h.ask(null)).rejects.toMatchObject({ code: 'TABLE_NOT_TRACKED' });
  const request = { node: 'nobody', table: { schema: 'public', name: 't' }, pk: keyFromText('1'), at: NOW };
  await expect(asOf(databases.store, request)).rejects.toMatchObject({ code: 'NODE_UNKNOWN' });
  await expect(h.diff()).rejects.toMatchObject({ code: 'TABLE_NOT_TRACKED' });
});
