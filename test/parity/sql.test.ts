/** The same questions by the engine that CLI and HTTP use, by the command line, and in SQL: the same answers. */
import { describe, expect, test } from 'vitest';
import { asOf } from '../../core/query/as-of.ts';
import { parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { lsnOf, StoreHistory, timeOf } from '../pg/query-history.ts';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { runCli } from '../support/run-cli.ts';
import { failure, sqlSource } from '../support/sql-source.ts';
import { type TestDatabases, testDatabases } from '../support/test-databases.ts';
import { trackedNode } from '../support/tracked-node.ts';

interface Question {
  readonly schema: string;
  readonly table: string;
  readonly key: string;
  /** Time, or LSN. */
  readonly at: string;
}

type Databases = Pick<TestDatabases, 'source' | 'store' | 'env'>;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const sqlName = ({ schema, table }: Question): string => `${quoted(schema)}.${quoted(table)}`;

/** Without what moves: the horizon, and how the instant was written. */
function steady(answer: string): string {
  return answer.replace(/"requested":"[^"]*"/, '"requested":…');
}

/** Compares the three ways; answers with status and reason. */
async function agreed(databases: Databases, node: string, question: Question): Promise<string> {
  const { schema, table: name, key, at } = question;
  const engine = await asOf(databases.store, {
    node,
    table: { schema, name },
    pk: keyFromText(key),
    at: parseInstant(at),
  });
  const byLsn = at.includes('/');
  const values = [sqlName(question), key, at, node];
  if (byLsn) {
    const row = await failure(
      databases.source,
      'SELECT pgtimewarp_asof_lsn_pk($1::text::regclass, $2, $3, $4)',
      values,
    );
    expect(row === null).toBe(engine.status !== 'unknown');
  } else {
    const { rows } = await databases.source.query<{ answer: string }>(
      'SELECT pgtimewarp_asof_answer_pk($1::text::regclass, $2, $3, $4)::text AS answer',
      values,
    );
    expect(steady(rows[0]!.answer)).toBe(steady(engine.answerText));
  }
  const cli = await runCli(['asof', sqlName(question), '--pk', key, '--at', at, '--json'], {
    env: { ...databases.env, PGTIMEWARP_NODE: node },
  });
  expect(steady(cli.stdout.trim())).toBe(steady(engine.answerText));
  return [engine.status, engine.reason].filter((part) => part !== null).join('/');
}

describe('every kind of answer', () => {
  test('is the same', async () => {
    await using databases = await testDatabases({ tables: 'CREATE TABLE t (id int PRIMARY KEY, n int)' });
    const h = await StoreHistory.create(databases.store);
    const t = await h.track();
    await h.change(t, 20, 'I', '1', { row: '{"id":1,"n":9007199254740993.10}' });
    await h.change(t, 30, 'U', '1', { row: '{"id":1,"s":"\\u0000"}', incomplete: ['n'] });
    await h.change(t, 40, 'D');
    await h.gap(60, 70);
    const pending = await StoreHistory.create(databases.store);
    await pending.track({ baseline: 'pending' });
    await using _ = await sqlSource({ ...databases, node: h.node });
    const ask = (node: string, at: string, key = '1') =>
      agreed(databases, node, { schema: 'public', table: 't', key, at });
    expect(await ask(h.node, timeOf(20))).toBe('found');
    expect(await ask(h.node, timeOf(35))).toBe('found');
    expect(await ask(h.node, lsnOf(35))).toBe('found');
    expect(await ask(h.node, timeOf(40))).toBe('absent/deleted');
    expect(await ask(h.node, timeOf(15), '{"id":"1"}')).toBe('absent/not_yet_inserted');
    expect(await ask(h.node, timeOf(5))).toBe('unknown/before_tracking');
    expect(await ask(h.node, timeOf(65))).toBe('unknown/in_gap');
    expect(await ask(h.node, lsnOf(65))).toBe('unknown/in_gap');
    expect(await ask(h.node, timeOf(101))).toBe('absent/deleted');
    expect(await ask(pending.node, timeOf(50))).toBe('unknown/baseline_pending');
  });
});

const HOSTILE = {
  schema: `we"ird.s'c`,
  table: `T"a.b,l'e \\ $$ %I {x}`,
  tables: `CREATE SCHEMA "we""ird.s'c";
    CREATE TABLE "we""ird.s'c"."T""a.b,l'e \\ $$ %I {x}"
      ("k,1" text, "K""2" numeric, v jsonb, "op" bytea, row text, PRIMARY KEY ("k,1", "K""2"))`,
};
const HOSTILE_KEY = `a'b"c\\d{e},f$$%s`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `hostile names and values (${plugin})`, () => {
    test('are the same, and a sample of a real history agrees with what the table held', async () => {
      const table = `${quoted(HOSTILE.schema)}.${quoted(HOSTILE.table)}`;
      await using node = await trackedNode({ plugin, tables: HOSTILE.tables, track: [table] });
      await using sql = await sqlSource(node);
      const held: { at: string; row: string | null }[] = [];
      const key = JSON.stringify({ 'k,1': HOSTILE_KEY, 'K"2': '1.50' });
      const steps = [
        `INSERT INTO ${table} VALUES ($1, 1.5, '{"op": "}"}', '\\x00ff', '},"op":')`,
        `UPDATE ${table} SET v = '["\\\\u0000"]', row = NULL WHERE "k,1" = $1`,
        `UPDATE ${table} SET "op" = NULL WHERE "k,1" = $1`,
        `DELETE FROM ${table} WHERE "k,1" = $1`,
        `INSERT INTO ${table} VALUES ($1, 1.50, '1', '', E'\\n')`,
      ];
      for (const step of steps) {
        await node.source.query(step, [HOSTILE_KEY]);
        await node.catchUp();
        const { rows } = await node.source.query<{ at: string; row: string | null }>(
          `SELECT (pgtimewarp_horizon()).ts::text AS at, (SELECT row_to_json(x)::text FROM ${table} x) AS row`,
        );
        held.push(rows[0]!);
      }
      for (const { at, row } of held) {
        const { rows } = await node.source.query<{ row: string }>(
          `SELECT row_to_json(r)::text AS row FROM pgtimewarp_asof_row(NULL::${table}, $1, $2) r`,
          [key, at],
        );
        expect(rows[0]?.row ?? null).toBe(row);
        const instant = at.replace(' ', 'T').replace('+00', 'Z');
        const answer = await agreed(node, node.node, {
          schema: HOSTILE.schema,
          table: HOSTILE.table,
          key,
          at: instant,
        });
        expect(answer).toBe(row === null ? 'absent/deleted' : 'found');
      }
      expect(sql.warnings()).toEqual([]);
    });
  });
}
