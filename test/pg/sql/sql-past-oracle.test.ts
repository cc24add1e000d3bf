/**
 * The past in SQL against an oracle: at random commits of concurrent transactions the views show exactly what the tables held, while others
 * write. A report of joins runs unchanged on the past. ORACLE_SEED repeats a workload; SQL_PAST_COMMITS is the number of commits asked.
 */
import fc from 'fast-check';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { quoteTable } from '../../../core/pg/identifiers.ts';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { describeNeeding } from '../../support/needs.ts';
import { keyOf } from '../../support/oracle/compare.ts';
import { type OracleTable, wholeStateSql } from '../../support/oracle/oracle-table.ts';
import { rowId, runWorkload } from '../../support/oracle/run-workload.ts';
import { ORACLE_TABLES } from '../../support/oracle/tables.ts';
import { transactions } from '../../support/oracle/workload.ts';
import { type PastSource, pastSource } from '../../support/past-source.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';

const COMMITS = Number.parseInt(process.env.SQL_PAST_COMMITS ?? '25', 10);
const TRANSACTIONS = COMMITS * 6;
const SEED = Number.parseInt(process.env.ORACLE_SEED ?? `${Math.floor(Math.random() * 2 ** 31)}`, 10);
const TIMEOUT_MS = 120_000 + COMMITS * 4_000;

/** wal2json 2.5 loses NaN: a row that may have one is an error, as it should be. */
const LOSES_NAN: ReadonlySet<string> = new Set(['public.items', 'public.numbers', 'public.O.d,d "t\\a{b} é']);
/** After a TRUNCATE the store alone answers about the time before. */
const EMPTIED: ReadonlySet<string> = new Set(['full_rows']);

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `the past in SQL through ${plugin} (ORACLE_SEED=${SEED})`, () => {
    test(
      'at random commits the views show what the tables held, while others write',
      async () => {
        const chosen = ORACLE_TABLES.filter(
          ({ name, schema }) => plugin === 'pgoutput' || !LOSES_NAN.has(`${schema}.${name}`),
        ).map((table) => ({ ...table, neverEmptied: !EMPTIED.has(table.name) }));
        await using past = await pastSource({
          plugin,
          tables: chosen.map(({ create }) => create).join('\n'),
          track: chosen.map(quoteTable),
        });
        const views = await past.views(...chosen.map(quoteTable));
        const shown: OracleTable[] = chosen.map((table) => ({
          ...table,
          schema: 'asof',
          name: views.find((view) => view.table.name === table.name && view.table.schema === table.schema)!
            .view,
        }));
        const connect = () => past.node.connect('source');
        const background = chosen.map((table) => ({ ...table, neverEmptied: true }));
        const scripts = (seed: number) =>
          fc.sample(transactions(seed === SEED ? chosen : background, []), { seed, numRuns: TRANSACTIONS });
        const run = await past.whileRunning(() =>
          runWorkload({ tables: chosen, transactions: scripts(SEED), connect }),
        );
        const sessions = await Promise.all(Array.from({ length: 4 }, connect));
        await past.node.catchUp();
        const { rows: map } = await past.node.store.query<{ xid: string; ts: string }>(
          `SELECT xid::text AS xid, ts::text AS ts FROM pgtimewarp.lsn_time_map WHERE xid IS NOT NULL`,
        );
        const times = new Map(map.map(({ xid, ts }) => [xid, ts]));

        let writing = true;
        const busy = (async () => {
          for (let more = 1; writing; more++) {
            const left = [...sessions];
            const again = async () => left.pop()!;
            await runWorkload({
              tables: background,
              transactions: scripts(SEED + more).slice(0, 50),
              connect: again,
              sessions: 2,
            });
          }
        })();
        busy.catch(() => {}); // reported at the end
        try {
          const expected = new Map(run.initial);
          let asked = 0;
          let alone = 0;
          const every = Math.max(1, Math.floor(run.commits.length / COMMITS));
          for (const [place, commit] of run.commits.entries()) {
            for (const [id, value] of commit.changes) {
              if (value === null) expected.delete(id);
              else expected.set(id, value);
            }
            if (place % every !== every - 1 && place < run.commits.length - 3) continue;
            const time = times.get(commit.xid);
            for (const at of [commit.after, ...(time === undefined ? [] : [time])]) {
              const found = await past.asOf<{ '?column?': number }>(at, wholeStateSql(shown)).then(toState);
              const wrong = await differing(past, { expected, found, at, tables: chosen });
              expect(wrong, `as of ${at}, transaction ${commit.xid}`).toEqual([]);
              asked++;
              alone += past.alone().length;
            }
          }
          console.log(
            `the past in SQL: ${plugin}, ${run.commits.length} commits, ${asked} states of ${chosen.length} tables compared, ${alone} of these tables by the store alone`,
          );
          expect(asked).toBeGreaterThan(COMMITS);
          expect(alone).toBeLessThan((asked * chosen.length) / 2);
        } finally {
          writing = false;
          await busy;
        }
      },
      TIMEOUT_MS,
    );
  });
}

/** What differs, cut short, each beside what the history says of that key alone. */
async function differing(
  past: PastSource,
  {
    expected,
    found,
    at,
    tables,
  }: {
    readonly expected: ReadonlyMap<string, string>;
    readonly found: ReadonlyMap<string, string>;
    readonly at: string;
    readonly tables: readonly OracleTable[];
  },
): Promise<object[]> {
  const short = (text: string | undefined) => text?.replaceAll(/\w{50,}/g, '…');
  const ids = new Set([...expected.keys(), ...found.keys()]);
  return Promise.all(
    [...ids]
      .filter((id) => expected.get(id) !== found.get(id))
      .map(async (id) => {
        const { table, pk } = keyOf(tables, id);
        const request = { node: past.node.node, table, pk: keyFromText(pk), at: parseInstant(at) };
        const history = short((await asOf(past.node.store, request)).answerText);
        return { id, expected: short(expected.get(id)), found: short(found.get(id)), history };
      }),
  );
}

/** The rows of wholeStateSql(): its three columns have no names of their own. */
function toState(rows: readonly object[]): Map<string, string> {
  return new Map(
    rows.map((row) => {
      const [table, key, texts] = Object.values(row) as [number, string, string];
      return [rowId(table, key), texts];
    }),
  );
}

const SHOP = `
  CREATE TABLE customers (id int PRIMARY KEY, name text, country text);
  CREATE TABLE orders (id int PRIMARY KEY, customer int, placed timestamptz, status text);
  CREATE TABLE lines ("order" int, nr int, item text, price numeric(10,2), PRIMARY KEY ("order", nr));
  INSERT INTO customers SELECT g, 'c' || g, (ARRAY['de', 'fr', 'it'])[1 + g % 3] FROM generate_series(1, 50) g;
  INSERT INTO orders SELECT g, 1 + g % 50, timestamptz '2026-01-01Z' + g * interval '1 h', 'new' FROM generate_series(1, 400) g;
  INSERT INTO lines SELECT g, n, 'i' || (g * n) % 7, g * n / 3.0 FROM generate_series(1, 400) g, generate_series(1, 3) n`;

/** Joins, aggregates, windows, EXISTS, a recursive query: nothing in it knows of the past. */
const REPORT = [
  `SELECT c.country, count(*) AS orders, sum(l.price) AS total FROM customers c JOIN orders o ON o.customer = c.id
     JOIN lines l ON l."order" = o.id GROUP BY c.country ORDER BY 1`,
  `SELECT o.id, sum(l.price) AS total, rank() OVER (ORDER BY sum(l.price) DESC, o.id) AS place FROM orders o JOIN lines l ON l."order" = o.id
     GROUP BY o.id ORDER BY place LIMIT 50`,
  `SELECT c.id, c.name FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer = c.id AND o.status <> 'new') ORDER BY 1`,
  `SELECT status, count(*), min(placed), max(placed) FROM orders GROUP BY ROLLUP (status) ORDER BY 1`,
  `SELECT o.*, lag(o.id) OVER (PARTITION BY o.customer ORDER BY o.placed, o.id) AS before FROM orders o WHERE o.customer IN (3, 4, 5) ORDER BY o.id`,
  `WITH RECURSIVE n(id) AS (SELECT min(id) FROM orders UNION ALL SELECT (SELECT min(o.id) FROM orders o WHERE o.id > n.id) FROM n WHERE n.id < 40)
     SELECT n.id, l.item, l.price FROM n LEFT JOIN lines l ON l."order" = n.id ORDER BY 1, 2, 3`,
];

describe.each(PLUGINS.filter((plugin) => needOf(plugin).met))('a report through %s', (plugin) => {
  test('runs unchanged on the past, while others write', async () => {
    await using past = await pastSource({ plugin, tables: SHOP, track: ['customers', 'orders', 'lines'] });
    const { source } = past.node;
    let writing = true;
    const writers = Array.from({ length: 2 }, async (_, number) =>
      writeShop(await past.node.connect('source'), number, () => writing),
    );
    try {
      const copies: { schema: string; lsn: string }[] = [];
      for (let i = 0; i < 2; i++) {
        await past.whileRunning(() => new Promise((resolve) => setTimeout(resolve, 300)));
        const schema = `then_${i}`;
        await source.query(`BEGIN; LOCK TABLE customers, orders, lines IN SHARE MODE; CREATE SCHEMA ${schema};
          CREATE TABLE ${schema}.customers AS TABLE customers; CREATE TABLE ${schema}.orders AS TABLE orders;
          CREATE TABLE ${schema}.lines AS TABLE lines`);
        const { rows } = await source.query<{ lsn: string }>(
          'SELECT pg_current_wal_insert_lsn()::text AS lsn',
        );
        await source.query('COMMIT');
        copies.push({ schema, lsn: rows[0]!.lsn });
      }
      for (const { schema, lsn } of copies) {
        for (const query of REPORT) {
          await source.query(`SET search_path = asof, public`);
          const shown = await past.asOf(lsn, query);
          await source.query(`SET search_path = ${schema}, public`);
          expect(shown, query).toEqual((await source.query(query)).rows);
        }
        await source.query('RESET search_path; BEGIN ISOLATION LEVEL REPEATABLE READ');
        for (const query of REPORT.slice(0, 2)) {
          await source.query(`SET LOCAL search_path = asof, public`);
          const shown = await past.asOf(lsn, query);
          await source.query(`SET LOCAL search_path = ${schema}, public`);
          expect(shown, query).toEqual((await source.query(query)).rows);
        }
        await source.query('COMMIT');
      }
      expect(past.alone(), 'nothing was in doubt').toEqual([]);
      expect(past.sql.warnings()).toEqual([]);
    } finally {
      writing = false;
      await Promise.all(writers);
    }
  }, 300_000);
});

async function writeShop(session: pg.Client, number: number, goesOn: () => boolean): Promise<void> {
  for (let i = 0; goesOn(); i++) {
    const id = 1000 + number * 100_000 + i;
    const some = (i * 37 + number) % 400;
    await session.query(`BEGIN; INSERT INTO orders VALUES (${id}, ${1 + (i % 50)}, now(), 'new'); INSERT INTO lines VALUES (${id}, 1, 'x', ${i}.5);
      UPDATE orders SET status = 'paid' WHERE id = ${some}; COMMIT`);
    if (i % 7 === 0) await session.query(`DELETE FROM lines WHERE "order" = ${some} AND nr = 2`);
    if (i % 11 === 0) await session.query(`UPDATE customers SET country = 'es' WHERE id = ${1 + (i % 50)}`);
    if (i % 13 === 0) await session.query(`BEGIN; DELETE FROM orders WHERE id = ${id}; ROLLBACK`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await session.end();
}
