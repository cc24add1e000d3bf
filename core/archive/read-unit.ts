/**
 * The rows of a unit in the store, in the order of the files: by key in byte order, then position. They are read page by page, each
 * in a statement of its own: no snapshot is held for minutes, because rows of a unit never change.
 */
import type pg from 'pg';
import { RAW_TEXT_TYPES } from '../pg/connection.ts';
import { inTransaction } from '../pg/transaction.ts';
import { type ArchiveRow, AT, COLUMNS } from './columns.ts';
import { RowChecksum, rowHashSql } from './row-checksum.ts';
import type { ArchiveUnit } from './units.ts';

/** A page of this size is asked for. */
const PAGE_BYTES = 8 * 1024 * 1024;
const FIRST_PAGE_ROWS = 500;
const MAX_PAGE_ROWS = 10_000;
const HASHED_ROWS = 50_000;

/** The last row of a page: key, position and place of it. */
type Place = readonly [pk: string, lsn: string, seq: string];

/** Yields pages of rows. */
export async function* readUnit(store: pg.Client, unit: ArchiveUnit): AsyncGenerator<ArchiveRow[]> {
  const events = await ask(store, rowsSql(EVENTS_SQL), [...unitParameters(unit)]);
  if (events.length > 0) yield events;
  let place: Place | null = null;
  for (let limit = FIRST_PAGE_ROWS; ; ) {
    const rows: ArchiveRow[] = await ask(
      store,
      rowsSql(changesSql(unit, place)),
      pageParameters(unit, place, limit),
    );
    if (rows.length > 0) yield rows;
    if (rows.length < limit) return;
    place = placeOf(rows.at(-1)!);
    limit = nextLimit(rows);
  }
}

/** The checksum of the unit as SQL computes it. */
export async function checksumOfUnit(store: pg.Client, unit: ArchiveUnit): Promise<RowChecksum> {
  const checksum = new RowChecksum();
  const add = ([rows, sum]: ArchiveRow): void => checksum.addSum(BigInt(rows!), BigInt(sum!));
  add((await ask(store, hashSql(EVENTS_SQL), [...unitParameters(unit)]))[0]!);
  let place: Place | null = null;
  for (;;) {
    const parameters = pageParameters(unit, place, HASHED_ROWS);
    const [page] = await ask(store, hashSql(changesSql(unit, place)), parameters);
    add(page!);
    if (BigInt(page![0]!) < HASHED_ROWS) return checksum;
    place = [page![2]!, page![3]!, page![4]!];
  }
}

function unitParameters({ nodeId, lsnSpace, relationId, fromLsn, toLsn }: ArchiveUnit) {
  return [nodeId, lsnSpace, relationId, fromLsn, toLsn] as const;
}

function pageParameters(unit: ArchiveUnit, place: Place | null, limit: number): unknown[] {
  return [...unitParameters(unit), limit, ...(place ?? [])];
}

/** For a page the planner must neither sort the whole unit, as the primary key has this order, nor read the whole time map. */
const BY_INDEX = `SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off;
  SET LOCAL enable_mergejoin = off; SET LOCAL jit = off`;

async function ask(store: pg.Client, text: string, values: unknown[]): Promise<ArchiveRow[]> {
  return inTransaction(
    store,
    async (tx) => {
      await tx.query(BY_INDEX);
      const query = { text, values, rowMode: 'array', types: RAW_TEXT_TYPES } as const;
      return (await tx.query<(string | null)[]>(query)).rows;
    },
    'BEGIN READ ONLY',
  );
}

function placeOf(row: ArchiveRow): Place {
  return [row[AT.pk]!, row[AT.lsn]!, row[AT.seq]!];
}

function nextLimit(rows: readonly ArchiveRow[]): number {
  const letters = rows.reduce((sum, row) => sum + row.reduce((all, text) => all + (text?.length ?? 0), 0), 0);
  return Math.max(1, Math.min(MAX_PAGE_ROWS, Math.floor((PAGE_BYTES * rows.length) / Math.max(letters, 1))));
}

/** The text of the statement has the relation id, so that it opens only the partitions of this table. */
function changesSql({ relationId }: ArchiveUnit, place: Place | null): string {
  return `SELECT c.pk, c.valid_from_lsn, c.seq, c.op, c.valid_from_ts, c.xid, c.leaf_id, c.read_lsn, c.row_data, c.incomplete,
                 c.json_nulls, c.nulls_assumed
            FROM pgtimewarp.row_changes AS c
           WHERE c.relation_id = ${relationId} AND c.valid_from_lsn >= $4::pg_lsn AND c.valid_from_lsn < $5::pg_lsn
             ${place === null ? '' : `AND (c.pk, c.valid_from_lsn, c.seq) > ($7::text COLLATE "C", '0/0'::pg_lsn + $8::numeric, $9::int)`}
           ORDER BY c.pk, c.valid_from_lsn, c.seq LIMIT $6::int`;
}

const EVENTS_SQL = `SELECT ''::text COLLATE "C" AS pk, e.lsn AS valid_from_lsn, e.seq, e.op, e.ts AS valid_from_ts, e.xid, e.leaf_id,
         NULL::pg_lsn AS read_lsn, NULL::json AS row_data, NULL::text[] AS incomplete, NULL::text[] AS json_nulls,
         NULL::boolean AS nulls_assumed
    FROM pgtimewarp.relation_events AS e
   WHERE e.relation_id = $3::int AND e.lsn >= $4::pg_lsn AND e.lsn < $5::pg_lsn
   ORDER BY e.lsn, e.seq`;

const toMicros = (ts: string): string => `(extract(epoch FROM ${ts}) * 1000000)::bigint`;

/** The expressions of {@link COLUMNS}. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  pk: 'c.pk',
  valid_from_lsn: `(c.valid_from_lsn - '0/0')::bigint`,
  seq: 'c.seq',
  op: 'c.op',
  valid_from_ts: toMicros('c.valid_from_ts'),
  // a replication origin can give a commit any time, even infinity, which has no microseconds
  commit_ts: `CASE WHEN isfinite(m.commit_ts) THEN ${toMicros('m.commit_ts')} END`,
  xid: 'c.xid',
  relation_id: '$3::int',
  lsn_space: '$2::int',
  leaf_id: 'c.leaf_id',
  read_lsn: `(c.read_lsn - '0/0')::bigint`,
  row_data: 'c.row_data',
  incomplete: 'array_to_json(c.incomplete)',
  json_nulls: 'array_to_json(c.json_nulls)',
  nulls_assumed: 'c.nulls_assumed',
  context: 'x.context',
};

const TEXTS = COLUMNS.map(({ name }) => `(${EXPRESSIONS[name]})::text`);

function rowsSql(changes: string): string {
  return `SELECT ${TEXTS.join(', ')} ${joined(changes)} ORDER BY c.pk, c.valid_from_lsn, c.seq`;
}

function hashSql(changes: string): string {
  return `SELECT count(*)::text, coalesce(sum(h.hash), 0)::text, (array_agg(h.pk ORDER BY h.pk DESC, h.lsn DESC, h.seq DESC))[1],
                 (array_agg(h.lsn ORDER BY h.pk DESC, h.lsn DESC, h.seq DESC))[1]::text,
                 (array_agg(h.seq ORDER BY h.pk DESC, h.lsn DESC, h.seq DESC))[1]::text
            FROM (SELECT ${rowHashSql(TEXTS)} AS hash, c.pk, (c.valid_from_lsn - '0/0')::bigint AS lsn, c.seq ${joined(changes)}) AS h`;
}

/** A context belongs to rows of a transaction, as everywhere: see functions/history/context_at.sql. */
function joined(changes: string): string {
  return `FROM (${changes}) AS c
          LEFT JOIN pgtimewarp.lsn_time_map AS m ON m.node_id = $1::text AND m.lsn_space = $2::int AND m.lsn = c.valid_from_lsn
                AND c.op <> 'S'
          LEFT JOIN LATERAL pgtimewarp.context_at($1::text, $2::int, c.valid_from_lsn, c.seq, c.xid) AS x ON true`;
}
