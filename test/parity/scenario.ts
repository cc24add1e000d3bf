/**
 * The scenario of questions.ts: a node that follows a real source, and in the same store nodes with written histories that are
 * partly unknown: in a gap, before a baseline, before a window. A run of retention has deleted what is before the window.
 */
import pg from 'pg';
import { quoteTable } from '../../core/pg/identifiers.ts';
import { runRetention, setRetention } from '../../core/retention/change-retention.ts';
import { StoreHistory } from '../pg/query/query-history.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

/** The table of the written histories. */
export const T = { schema: 'public', name: 't' };
export const ORDERS = { schema: 'public', name: 'orders' };
export const REGIONS = { schema: 'public', name: 'regions' };
export const ODD = { schema: 'Odd.Schema', name: 'T ä/%' };
export const HOSTILE = { schema: `we"ird.s'c`, name: `T"a.b,l'e \\ $$ %I {x}` };
export const TYPED = { schema: 'public', name: 'typed' };
/** On the source, but not tracked. */
export const UNWATCHED = { schema: 'public', name: 'unwatched' };

/** Created for {@link HOSTILE}; tests with other plugins use them too. */
export const HOSTILE_TABLE = `CREATE SCHEMA "we""ird.s'c";
  CREATE TABLE ${quoteTable(HOSTILE)}
    ("k,1" text, "K""2" numeric, v jsonb, "op" bytea, row text, PRIMARY KEY ("k,1", "K""2"));`;

/** Text that has a meaning in a shell, SQL, JSON, a format string, a URL, a terminal, or an option parser. */
export const HOSTILE_KEYS = [
  `a'b"c\\d{e},f$$%s`,
  `'); DROP TABLE orders; --`,
  `' OR '1'='1`,
  '../../etc//x?pk=1&at=2#y%2F%00;%',
  '{"k,1":"x"}',
  '--json=$(id)`id`',
  'ü 🦄 e\u0301 \u202eRTL \ufeff\u00a0',
  '\t\r\n\u0001\u001b[31m\u007f\\u0000',
  '',
] as const;

const TABLES = `
  CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, big bigint, note text, at timestamptz, doc jsonb, raw bytea);
  INSERT INTO orders VALUES (1, 1.10, 9007199254740993, 'first', '2026-01-01 00:00:00.000001Z', '{"a": 1.0}', '\\\\x00ff');
  CREATE TABLE regions (region text, id int, name text, PRIMARY KEY (region, id));
  CREATE SCHEMA "Odd.Schema";
  CREATE TABLE ${quoteTable(ODD)} ("the Key" text PRIMARY KEY, value text);
  ${HOSTILE_TABLE}
  CREATE TABLE typed (u uuid, d date, n numeric, at timestamptz, v int, PRIMARY KEY (u, d, n, at));
  CREATE TABLE t (id int PRIMARY KEY, n int, doc jsonb);
  CREATE TABLE unwatched (id int PRIMARY KEY)`;

/** Tracked before any change, written as on the command line. */
const TRACKED = ['orders', 'regions', 'typed', quoteTable(ODD), quoteTable(HOSTILE)];

/** One transaction each; the moment with its name comes after it. */
const STEPS = {
  updated: `SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"who": "ä \\"x\\""}'); UPDATE orders SET total = 12345678901234567890.123456789, note = NULL`,
  inserted: `INSERT INTO regions VALUES ('eu', 7, 'seven'), ('%_', -7, 'minus seven');
    INSERT INTO ${quoteTable(ODD)} VALUES ('ü/&=+ 1', 'x'), ('--json', 'y');
    INSERT INTO ${quoteTable(HOSTILE)} VALUES ${HOSTILE_KEYS.map(hostileRow).join(', ')};
    INSERT INTO typed VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2026-01-02', -0.50, '2026-01-01 00:00:00.000001+00', 1)`,
  twice: `SELECT pg_logical_emit_message(true, 'pgtimewarp', 'no "JSON"'); UPDATE orders SET note = 'a' WHERE id = 1; UPDATE orders SET note = E'b\\\\u0001 "quoted"' WHERE id = 1`,
  deleted: 'DELETE FROM orders; TRUNCATE regions',
} as const;

function hostileRow(key: string, index: number): string {
  return `(${pg.escapeLiteral(key)}, 1.50, '["\\\\u0000", ${index}]', '\\x00ff', '},"op":')`;
}

export type Moment = 'start' | keyof typeof STEPS;
/** Nodes with a written history. `erased` answers as a future erasure will; nothing erases yet. */
export type WrittenNode = 'gap' | 'pending' | 'window' | 'erased';

export interface Scenario {
  readonly node: TrackedNode;
  readonly moments: Readonly<Record<Moment, string>>;
  readonly written: Readonly<Record<WrittenNode, string>>;
}

/** Dispose of its node after use. */
export async function makeScenario(): Promise<Scenario> {
  const node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: TRACKED });
  const moments = { start: await clock(node) } as Record<Moment, string>;
  for (const [name, sql] of Object.entries(STEPS)) {
    await node.source.query(`BEGIN; ${sql}; COMMIT`);
    moments[name as Moment] = await clock(node);
  }
  await node.catchUp();
  return { node, moments, written: await writeHistories(node) };
}

async function clock(node: TrackedNode): Promise<string> {
  const { rows } = await node.source.query<{ now: string }>(
    `SELECT to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`,
  );
  return rows[0]!.now;
}

/** Commits 10 to 100, one every second; see query-history.ts. */
async function writeHistories({ store, storeUrl }: TrackedNode): Promise<Record<WrittenNode, string>> {
  const gap = await StoreHistory.create(store);
  const followed = await gap.track();
  await gap.change(followed, 20, 'I', '1', { row: '{"id":1,"n":9007199254740993.10}' });
  await gap.change(followed, 30, 'U', '1', { row: '{"id":1,"doc":"\\u0000"}', incomplete: ['n'] });
  await gap.change(followed, 40, 'D');
  await gap.gap(60, 70);

  const pending = await StoreHistory.create(store);
  await pending.change(await pending.track({ baseline: 'pending' }), 20, 'I', '2');

  const window = await StoreHistory.create(store);
  const forgetting = await window.track();
  for (const n of [20, 30, 90]) await window.change(forgetting, n, n === 20 ? 'I' : 'U');
  await window.change(forgetting, 25, 'I', '2');
  await window.change(forgetting, 35, 'D', '2');
  await setRetention({ storeUrl, node: window.node }, [T], '40s');
  const forgotten = await runRetention({ storeUrl, node: window.node });
  if (forgotten === null || forgotten.unfinished.length > 0) throw new Error('retention has not run');

  const erased = `${window.node}_erased`;
  await store.query(`
    INSERT INTO pgtimewarp.nodes (node_id, system_identifier, timeline, database_name, slot_name, plugin)
      SELECT '${erased}', system_identifier, timeline, database_name, slot_name, plugin
        FROM pgtimewarp.nodes WHERE node_id = '${window.node}';
    ALTER FUNCTION pgtimewarp.asof_answer(text, text, text, jsonb, timestamptz, pg_lsn, text, json) RENAME TO asof_answer_known;
    CREATE FUNCTION pgtimewarp.asof_answer(node text, s text, t text, pk jsonb, ts timestamptz, lsn pg_lsn, requested text,
                                            archived json DEFAULT NULL)
    RETURNS TABLE (status text, reason text, final boolean, answer json) LANGUAGE sql STABLE AS $$
      SELECT a.status, replace(a.reason, 'expired', 'erased'), a.final,
             replace(a.answer::text, '"reason":"expired"', '"reason":"erased"')::json
        FROM pgtimewarp.asof_answer_known('${window.node}', s, t, pk, ts, lsn, requested, archived) a WHERE node = '${erased}'
      UNION ALL
      SELECT a.* FROM pgtimewarp.asof_answer_known(node, s, t, pk, ts, lsn, requested, archived) a
       WHERE node IS DISTINCT FROM '${erased}'
    $$`);
  return { gap: gap.node, pending: pending.node, window: window.node, erased };
}
