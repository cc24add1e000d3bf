/**
 * Random values compared with PostgreSQL: the source makes the same row from what the history holds. Every run uses other
 * values; VALUES_SEED repeats them.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Follower } from '../../support/follower.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const SEED = Number.parseInt(process.env.VALUES_SEED ?? `${Math.floor(Math.random() * 2 ** 31)}`, 10);
const ROWS = 300;

/** PostgreSQL has no character 0 and no halves of a character. */
const strings = fc
  .string({ unit: 'binary', maxLength: 40 })
  .map((text) => text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, ''));
const digits = (max: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: max }).map((all) => all.join(''));
const numerics = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom('', '-'), digits(60), digits(60))
      .map(([sign, whole, part]) => `${sign}${whole}.${part}`),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(digits(5), fc.integer({ min: -200, max: 200 }))
      .map(([whole, power]) => `${whole}e${power}`),
  },
  { weight: 1, arbitrary: fc.constantFrom('NaN', 'Infinity', '-Infinity') },
);
const floats = fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value)));
/** JSON text with random white space; `\u0000` is left out because the source's own JSON functions refuse it. */
const json = fc
  .tuple(fc.json({ stringUnit: 'binary' }), fc.constantFrom('', ' ', '\n\t'))
  .map(([text, space]) =>
    text
      .replaceAll('\\u0000', '')
      .replace(/\\ud[89a-f][0-9a-f]{2}/gi, '')
      .replace(/\p{Surrogate}/gu, '')
      .replace(/,"/g, `,${space}"`),
  )
  .filter((text) => {
    try {
      JSON.parse(text);
      return !/(?<!\\)(?:\\\\)*\\$/.test(text);
    } catch {
      return false;
    }
  });
/** One or two dimensions, with NULLs and any lower bound. */
const arrays = fc
  .tuple(
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
    fc.array(fc.option(strings, { freq: 4 }), { minLength: 1, maxLength: 4 }),
  )
  .map(([bound, times, items]) => {
    const list = items.map((item) => (item === null ? 'NULL' : `"${item.replace(/["\\]/g, '\\$&')}"`)).join();
    const inner = times === 1 ? `{${list}}` : `{${Array.from({ length: times }, () => `{${list}}`).join()}}`;
    const bounds = times === 1 ? '' : `[1:${items.length}]`;
    return bound === 1
      ? inner
      : `[${bound}:${bound + (times === 1 ? items.length : times) - 1}]${bounds}=${inner}`;
  });
const bytes = fc.uint8Array({ maxLength: 60 }).map((all) => `\\x${Buffer.from(all).toString('hex')}`);
const two = (max: number, min = 0): fc.Arbitrary<string> =>
  fc.integer({ min, max }).map((n) => `${n}`.padStart(2, '0'));
const timestamps = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom('infinity', '-infinity') },
  {
    weight: 12,
    arbitrary: fc
      .tuple(
        fc.integer({ min: 1, max: 12_000 }),
        two(12, 1),
        two(28, 1),
        two(23),
        two(59),
        two(59),
        digits(6),
        fc.constantFrom('', ' BC'),
      )
      .map(
        ([year, month, day, h, m, s, part, era]) =>
          `${`${era === '' ? year : (year % 4000) + 1}`.padStart(4, '0')}-${month}-${day} ${h}:${m}:${s}.${part}${era}`,
      ),
  },
);

const COLUMNS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  text: strings,
  numeric: numerics,
  float8: floats,
  float4: fc.float().map((value) => (Object.is(value, -0) ? '-0' : String(value))),
  json,
  jsonb: json,
  'text[]': arrays,
  'numeric[]': fc
    .array(fc.oneof(numerics, fc.constant('NULL')), { maxLength: 5 })
    .map((items) => `{${items.join()}}`),
  'float8[]': fc.array(floats, { maxLength: 5 }).map((items) => `{${items.join()}}`),
  bytea: bytes,
  timestamp: timestamps,
  timestamptz: timestamps.map((text) => (/infinity/.test(text) ? text : text.replace(/( BC)?$/, '+00$1'))),
};
const TYPES = Object.keys(COLUMNS);
const name = (index: number): string => `c${index}`;
/** Values for which wal2json has no text, and values that it prints the same way. */
const mayBeLost = (plugin: string, index: number, text: string | null): boolean =>
  plugin === 'wal2json' &&
  /^(numeric|float\d)$/.test(TYPES[index]!) &&
  (text === null || /^(NaN|-?Infinity)$/.test(text));

describe(`values of ${ROWS} random rows (VALUES_SEED=${SEED})`, () => {
  let databases: TestDatabases;
  const followers: Follower[] = [];

  beforeAll(async () => {
    databases = await testDatabases({
      tables: `CREATE TABLE t (id int PRIMARY KEY, ${TYPES.map((type, index) => `${name(index)} ${type}`).join(', ')})`,
    });
    for (const plugin of PLUGINS.filter((each) => needOf(each).met)) {
      const follower = await Follower.open(databases, plugin, plugin);
      followers.push(follower);
      await follower.track([{ schema: 'public', name: 't' }]);
    }
    const rows = fc.sample(fc.tuple(...TYPES.map((type) => fc.option(COLUMNS[type]!, { freq: 12 }))), {
      seed: SEED,
      numRuns: ROWS,
    });
    await databases.source.query(
      `INSERT INTO t SELECT u.id, ${TYPES.map((type, index) => `u.${name(index)}::${type}`).join(', ')}
         FROM unnest($1::int[], ${TYPES.map((_, index) => `$${index + 2}::text[]`).join(', ')}) AS u (id, ${TYPES.map((_, index) => name(index)).join(', ')})`,
      [rows.map((_, place) => place), ...TYPES.map((_, index) => rows.map((row) => row[index] ?? null))],
    );
    // every value also goes through an update, in a row that gets another version
    await databases.source.query('UPDATE t SET id = id + $1::int', [ROWS]);
    for (const follower of followers) expect((await follower.poll()).caughtUp).toBe(true);
  });

  afterAll(async () => {
    for (const follower of followers) await follower[Symbol.asyncDispose]();
    await databases?.[Symbol.asyncDispose]();
  });

  test('the source reads the same row back', async () => {
    for (const { node, plugin } of followers) {
      const { rows } = await databases.store.query<{
        id: number;
        row: string;
        incomplete: string[] | null;
        nulls: string[] | null;
      }>(
        `SELECT (c.pk::json ->> 0)::int AS id, c.row_data::text AS row, c.incomplete, c.json_nulls AS nulls
           FROM pgtimewarp.row_changes AS c JOIN pgtimewarp.tracked_relations AS r USING (relation_id)
          WHERE r.node_id = $1::text AND c.op <> 'D' ORDER BY 1`,
        [node],
      );
      expect(rows).toHaveLength(2 * ROWS);
      const checks = TYPES.map((type, index) => {
        const [history, source] = [`h.${name(index)}`, `s.${name(index)}`];
        // JSON functions drop white space around a json value and rewrite strings: docs/types.md has the details
        const same =
          type === 'json'
            ? `(CASE WHEN json_typeof(${source}) = 'string' THEN ${history} #>> '{}' = ${source} #>> '{}' ELSE ${history}::text = btrim(${source}::text, E' \\n\\t\\r') END)`
            : `(${history} IS NOT DISTINCT FROM ${source} AND ${history}::text = ${source}::text)`;
        const jsonNull = /^json/.test(type)
          ? `WHEN '${name(index)}' = ANY (u.nulls::text[]) THEN ${source}::text = 'null' AND ${history} IS NULL`
          : '';
        return `CASE WHEN '${name(index)}' = ANY (u.lost::text[]) THEN NULL ${jsonNull}
                WHEN ${source} IS NULL THEN ${history} IS NULL ELSE ${same} END`;
      });
      const { rows: compared } = await databases.source.query<(boolean | string | null)[]>({
        text: `SELECT ${checks.join(', ')}, ${TYPES.map((_, index) => `s.${name(index)}::text`).join(', ')}
                 FROM unnest($1::int[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS u (id, row, lost, nulls, place)
                 JOIN t AS s ON s.id = $5::int + u.id % $5::int, json_populate_record(NULL::t, u.row::json) AS h ORDER BY u.place`,
        values: [
          rows.map(({ id }) => id),
          rows.map(({ row }) => row),
          rows.map(({ incomplete }) => `{${(incomplete ?? []).join()}}`),
          rows.map(({ nulls }) => `{${(nulls ?? []).join()}}`),
          ROWS,
        ],
        rowMode: 'array',
      });
      expect(compared).toHaveLength(2 * ROWS);
      compared.forEach((result, place) => {
        TYPES.forEach((type, index) => {
          const text = result[TYPES.length + index] as string | null;
          const where = `${plugin}, row ${rows[place]!.id}: ${type} ${JSON.stringify(text)} in ${rows[place]!.row}`;
          if (result[index] === null) expect(mayBeLost(plugin, index, text), `lost: ${where}`).toBe(true);
          else expect(result[index], where).toBe(true);
        });
      });
    }
  });
});
