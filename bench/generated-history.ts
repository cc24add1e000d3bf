/**
 * A store filled with generated history: versions of TPC-B accounts, written straight into the store by SQL, with the
 * map and the checkpoint that belong to them. Keys are skewed as in TPC-B with a hot tenth: what matters to a lookup is
 * how many versions a key has, and how many there are in all.
 */
import type pg from 'pg';
import { connect } from '../core/pg/connection.ts';
import { syncRetention } from '../core/retention/periods.ts';
import { migrate } from '../core/store/schema/migrate.ts';
import { formatLsn, type Lsn } from '../core/types/lsn.ts';

export interface HistorySize {
  readonly versions: number;
  readonly keys: number;
  /** Into how many ranges by LSN the relation is split, as retention does; one leaf without. */
  readonly ranges?: number;
  /** The milliseconds from one version to the next; default: 1, from the new year of 2026. */
  readonly everyMs?: number;
  /** As PostgreSQL reads a time: when the first version was; default: the new year of 2026. */
  readonly beginsAt?: string;
}

const BYTES_PER_VERSION = 100n;

/** The table that the versions belong to. */
export const HISTORY_TABLE = { schema: 'public', name: 'accounts' } as const;
export const HISTORY_NODE = 'bench';

/** Fills the store, and makes `accounts_now`, a plain table of as many rows as there are keys, for comparison. */
export async function generateHistory(storeUrl: string, size: HistorySize): Promise<pg.Client> {
  const store = await connect(storeUrl, { side: 'store', node: HISTORY_NODE });
  const { beginsAt = '2026-01-01Z', everyMs = 1 } = size;
  await migrate(store);
  await store.query(
    `INSERT INTO pgtimewarp.nodes (node_id, system_identifier, timeline, database_name, slot_name, plugin)
     VALUES ($1::text, '1', 1, 'bench', 'bench', 'pgoutput')`,
    [HISTORY_NODE],
  );
  await store.query(
    `INSERT INTO pgtimewarp.wal_checkpoints (node_id, slot_name, applied_lsn, applied_ts)
     VALUES ($1::text, 'bench', '0/0'::pg_lsn + ($2::bigint * 100 + 1000),
             $3::timestamptz + ($2::bigint + 1) * $4::int * interval '1 ms')`,
    [HISTORY_NODE, size.versions, beginsAt, everyMs],
  );
  const { rows } = await store.query<{ relation_id: number }>(
    `INSERT INTO pgtimewarp.tracked_relations (node_id, schema_name, table_name, pk_columns, pk_kinds, tracked_from_lsn,
            tracked_from_ts, baseline_state, status)
     VALUES ($1::text, $2::text, $3::text, '{aid}', '{int4}', '0/1', $4::timestamptz, 'none', 'active')
     RETURNING relation_id`,
    [HISTORY_NODE, HISTORY_TABLE.schema, HISTORY_TABLE.name, beginsAt],
  );
  const relationId = rows[0]!.relation_id;
  await store.query('SELECT pgtimewarp.create_relation_partition($1::int)', [relationId]);
  if (size.ranges !== undefined) {
    const width = (BigInt(size.versions) * BYTES_PER_VERSION) / BigInt(size.ranges);
    const bounds = Array.from({ length: size.ranges - 1 }, (_, index) => width * BigInt(index + 1));
    await splitIntoRanges(store, { node: HISTORY_NODE, relationId, retention: '100 years', bounds });
  }
  // every key once, then the rest at random: half of it on the hot tenth
  await store.query('SELECT setseed(0.5)');
  await store.query(
    `INSERT INTO pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, xid, relation_id, seq, op, pk, row_data)
     SELECT '0/0'::pg_lsn + i * 100, $4::timestamptz + i * $5::int * interval '1 ms', i % 4000000000, $1::int, 0,
            CASE WHEN i <= $3::bigint THEN 'I' ELSE 'U' END::"char", '["' || k || '"]',
            ('{"aid":' || k || ',"bid":1,"abalance":' || (i % 10000) || ',"filler":"' || repeat(' ', 84) || '"}')::json
       FROM (SELECT i, CASE WHEN i <= $3::bigint THEN i
                            WHEN random() < 0.5 THEN 1 + floor(random() * $3::bigint / 10)::bigint
                            ELSE 1 + floor(random() * $3::bigint)::bigint END AS k
               FROM generate_series(1, $2::bigint) AS i) AS g`,
    [relationId, size.versions, size.keys, beginsAt, everyMs],
  );
  await store.query(
    `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn, ts, commit_ts, xid)
     SELECT $1::text, '0/0'::pg_lsn + i * 100, ts, ts, i % 4000000000
       FROM generate_series(1, $2::bigint) AS i, LATERAL (SELECT $3::timestamptz + i * $4::int * interval '1 ms' AS ts) AS t`,
    [HISTORY_NODE, size.versions, beginsAt, everyMs],
  );
  await store.query(
    `CREATE TABLE public.accounts_now AS
     SELECT k::int AS aid, 1 AS bid, 0 AS abalance, repeat(' ', 84)::char(84) AS filler FROM generate_series(1, ${size.keys}) AS k`,
  );
  await store.query('ALTER TABLE public.accounts_now ADD PRIMARY KEY (aid)');
  await store.query('VACUUM (ANALYZE)');
  return store;
}

/** Gives an empty relation retention, and the ranges between these positions. */
export async function splitIntoRanges(
  store: pg.Client,
  relation: {
    readonly node: string;
    readonly relationId: number;
    /** As PostgreSQL reads an interval. */
    readonly retention: string;
    readonly bounds: readonly bigint[];
  },
): Promise<void> {
  const { node, relationId, retention, bounds } = relation;
  await store.query(
    'UPDATE pgtimewarp.tracked_relations SET retention = $2::interval WHERE relation_id = $1',
    [relationId, retention],
  );
  await syncRetention(store, node);
  await store.query('SELECT pgtimewarp.retention_convert($1)', [relationId]);
  await store.query(
    `SELECT pgtimewarp.retention_split($1, g.table_name, $2::pg_lsn[], NULL)
       FROM pgtimewarp.relation_ranges AS g WHERE g.relation_id = $1`,
    [relationId, bounds.map((bound) => formatLsn(bound as Lsn))],
  );
}

/** A key as the workload draws them. */
export function drawKey(keys: number): number {
  const range = Math.random() < 0.5 ? keys / 10 : keys;
  return 1 + Math.floor(Math.random() * range);
}

/** A position in the later half of the history. */
export function somewhere(history: HistorySize): string {
  const position = Math.floor((0.5 + Math.random() / 2) * history.versions) * 100;
  return `${Math.floor(position / 2 ** 32).toString(16)}/${(position % 2 ** 32).toString(16)}`;
}
