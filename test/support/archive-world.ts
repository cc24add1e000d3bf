/** A node with history that is old enough for the archive, and the answers of the store and of the judges to the same question. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { tableId } from '../../core/archive/archive-table.ts';
import { type ArchiveTarget, openArchive } from '../../core/archive/archive-target.ts';
import { setArchive } from '../../core/archive/change-archive.ts';
import { COLUMNS } from '../../core/archive/columns.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { PYTHON } from './archive-tools.ts';
import { runCommand } from './command.ts';
import { runProgramWith } from './run-program-with.ts';
import type { Seaweed } from './seaweed.ts';
import { type TrackedNode, trackedNode } from './tracked-node.ts';

/** The archive that the environment names. */
export function openTestArchive(catalogUrl = process.env.PGTIMEWARP_CATALOG_URL!): ArchiveTarget {
  return openArchive({
    archiveUrl: process.env.PGTIMEWARP_ARCHIVE_URL!,
    catalogUrl,
    warehouse: process.env.PGTIMEWARP_CATALOG_WAREHOUSE!,
    signing: process.env.PGTIMEWARP_CATALOG_SIGNING!,
    token: null,
  });
}

export interface World {
  readonly tables: string;
  /** Transactions, one after the other. */
  readonly steps: readonly string[];
}

/** Keys beyond the basic plane sort otherwise in UTF-16, values lose something in typed columns. */
export const PLAIN: World = {
  tables: `CREATE TABLE things (k text PRIMARY KEY, n numeric, f float8, t timestamptz, j json, b bytea, big int8);
    INSERT INTO things VALUES ('base', 1.10, 0.1, 'infinity', '{"a": "\\u0000"}', '\\x00ff', 9007199254740993), ('zz', NULL, NULL, NULL, NULL, NULL, NULL)`,
  steps: [
    `INSERT INTO things (k, n) VALUES ('\u{1F600}', 'NaN'), ('\uFFFD', 123456789012345678901234567890.000000000000001000), ('a', 1)`,
    `UPDATE things SET n = 2.50, j = 'null' WHERE k = 'a'; UPDATE things SET n = 3 WHERE k = 'a'`,
    `DELETE FROM things WHERE k = 'zz'`,
    `BEGIN; SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user": "ann \u{1F600}"}'); UPDATE things SET k = 'moved' WHERE k = 'base'; COMMIT`,
    `TRUNCATE things`,
    `BEGIN; INSERT INTO things (k) VALUES ('lost'); TRUNCATE things; INSERT INTO things (k, f) VALUES ('after', 'NaN'), ('a', '-Infinity'); COMMIT`,
    `INSERT INTO things SELECT 'row ' || n, n FROM generate_series(1, 3000) AS n`,
    `UPDATE things SET n = n + 0.01 WHERE k LIKE 'row %7'`,
  ],
};

/** Partitions that are truncated one by one, and rows that move between them. */
export const PARTITIONED: World = {
  tables: `CREATE TABLE things (k int PRIMARY KEY, n text) PARTITION BY RANGE (k);
    CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (100);
    CREATE TABLE high PARTITION OF things FOR VALUES FROM (100) TO (200);
    INSERT INTO things VALUES (1, 'base'), (101, 'base')`,
  steps: [
    `INSERT INTO things SELECT n, 'row' FROM generate_series(2, 5) AS n; INSERT INTO things SELECT n, 'row' FROM generate_series(102, 105) AS n`,
    `TRUNCATE low`,
    `UPDATE things SET k = 7 WHERE k = 103; INSERT INTO things VALUES (1, 'again')`,
    `TRUNCATE high`,
    `INSERT INTO things VALUES (104, 'new')`,
    `TRUNCATE things`,
    `INSERT INTO things VALUES (1, 'last')`,
  ],
};

export interface ArchivedNode extends TrackedNode {
  /** Writes the steps of the world and waits until a run of the archive takes all of it. @returns the time of each */
  write(): Promise<string[]>;
}

export async function archivedNode(
  plugin: Plugin,
  world: World,
  track: readonly string[] = ['things'],
): Promise<ArchivedNode> {
  const node = await trackedNode({ plugin, tables: world.tables, track });
  return {
    ...node,
    write: async () => {
      const instants = [await horizon(node)];
      for (const step of world.steps) {
        await node.source.query(step);
        await node.poll();
        instants.push(await horizon(node));
      }
      await sleep(1100); // a unit may end an eighth of the hot window, which is 1 s, before all that is due
      await node.poll();
      return instants;
    },
  };
}

export async function setArchiveOf(node: TrackedNode, table: string, drops = false): Promise<void> {
  await setArchive(node, { schema: 'public', name: table }, { hot: '1s', minRows: 1, drops });
}

/** The time of the horizon, RFC 3339. */
export async function horizon(node: TrackedNode): Promise<string> {
  const { rows } = await node.store.query<{ ts: string }>(
    `SELECT to_char(applied_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
       FROM pgtimewarp.wal_checkpoints WHERE node_id = $1`,
    [node.node],
  );
  return rows[0]!.ts;
}

export interface AsOfRow {
  readonly pk: string;
  readonly op: string;
  readonly seq: string;
  readonly xid: string | null;
  readonly row_data: string | null;
}

/** By the store's own function. */
export async function asOfInStore(node: TrackedNode, at: string): Promise<AsOfRow[]> {
  const { rows } = await node.store.query<AsOfRow>(
    `SELECT v.pk, v.op::text AS op, v.seq::text AS seq, v.xid::text AS xid, v.row_data::text AS row_data
       FROM pgtimewarp.table_at($1, 'public', 'things', $2::timestamptz, NULL) AS t
      CROSS JOIN LATERAL pgtimewarp.rows_at(t.relation_id, t.lsn) AS v
      WHERE v.is_there
      ORDER BY v.pk`,
    [node.node, at],
  );
  return rows;
}

/** The rows of the table as they lie in the store, in the columns of the archive that readers print alike. */
export async function rowsInStore(node: TrackedNode): Promise<Texts[]> {
  const { rows } = await node.store.query<Record<string, string | null>>(
    `SELECT c.pk, (c.valid_from_lsn - '0/0')::text AS valid_from_lsn, c.seq::text, c.op::text, c.xid::text, c.leaf_id::text,
            (c.read_lsn - '0/0')::text AS read_lsn, c.row_data::text, array_to_json(c.incomplete)::text AS incomplete,
            array_to_json(c.json_nulls)::text AS json_nulls,
            (SELECT t.context::text FROM pgtimewarp.transaction_contexts AS t WHERE t.lsn = c.valid_from_lsn AND c.xid IS NOT NULL) AS context
       FROM pgtimewarp.row_changes AS c
      UNION ALL
     SELECT '', (e.lsn - '0/0')::text, e.seq::text, e.op::text, e.xid::text, e.leaf_id::text, NULL, NULL, NULL, NULL,
            (SELECT t.context::text FROM pgtimewarp.transaction_contexts AS t WHERE t.lsn = e.lsn)
       FROM pgtimewarp.relation_events AS e`,
  );
  return rows;
}

/** In one order, whoever returned them. */
export function sorted(rows: readonly Texts[], columns: readonly string[]): string[] {
  return rows.map((row) => JSON.stringify(columns.map((name) => row[name]))).toSorted();
}

export interface Judged {
  /** For each instant: by DuckDB, with the query of `archive sql`, in the order of keys. */
  readonly asOf: readonly (readonly AsOfRow[])[];
  /** Every row of the table by pyiceberg. */
  readonly all: readonly Texts[];
}

export async function judge(
  seaweed: Seaweed,
  node: TrackedNode,
  instants: readonly string[],
): Promise<Judged> {
  const queries: string[] = [];
  for (const at of instants) queries.push((await archiveSql(node, 'things', at)).sql);
  const { namespace, name } = tableId(node.node, { schema: 'public', name: 'things' });
  const { duckdb, pyiceberg } = await askJudges(seaweed, queries, `${namespace}.${name}`);
  expect(Object.keys(pyiceberg![0] ?? {})).toEqual(COLUMNS.map((each) => each.name));
  const asOf = (duckdb as unknown as AsOfRow[][]).map((rows) =>
    rows.map(({ pk, op, seq, xid, row_data }) => ({ pk, op, seq, xid, row_data })).sort(byKey),
  );
  return { asOf, all: pyiceberg! };
}

/** The document of `archive sql`, for DuckDB. */
export async function archiveSql(
  node: TrackedNode,
  table: string,
  at: string,
): Promise<{ readonly sql: string; readonly metadata_location: string }> {
  const { stdout } = await runCommand(['archive', 'sql', table, '--at', at, '--json'], node);
  return JSON.parse(stdout) as { sql: string; metadata_location: string };
}

type Texts = Readonly<Record<string, string | null>>;

/** Rows of DuckDB for each query, and by pyiceberg all rows of a table. */
export async function askJudges(
  { catalogUrl, s3Url }: Seaweed,
  sql: readonly string[],
  table: string | null = null,
): Promise<{ readonly duckdb: readonly (readonly Texts[])[]; readonly pyiceberg: readonly Texts[] | null }> {
  const asked = JSON.stringify({ catalog: catalogUrl, s3: s3Url, sql, table });
  return JSON.parse(await runProgramWith(PYTHON, ['test/support/archive-judge.py'], asked)) as {
    duckdb: Texts[][];
    pyiceberg: Texts[] | null;
  };
}

/** In the order of bytes, as the store sorts keys. */
function byKey(a: AsOfRow, b: AsOfRow): number {
  return Buffer.compare(Buffer.from(a.pk), Buffer.from(b.pk));
}
