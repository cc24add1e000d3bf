/** The statements about archived tables, their units and files, one function each. */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import type { StoreTransaction } from '../pg/transaction.ts';
import { RowChecksum } from './row-checksum.ts';
import type { RowGroupPlace } from './row-groups.ts';
import type { WrittenFile } from './write-parquet.ts';

export type UnitState = 'planned' | 'written' | 'committed' | 'verified';

export interface ArchiveUnit {
  readonly nodeId: string;
  readonly table: TableName;
  /** The id of the archive of this table in this store. */
  readonly archiveId: string;
  readonly relationId: number;
  readonly unit: number;
  readonly lsnSpace: number;
  readonly fromLsn: string;
  readonly toLsn: string;
  /** RFC 3339. */
  readonly toTs: string;
  readonly state: UnitState;
  /** From the state written on. */
  readonly checksum: RowChecksum | null;
}

/** A file in the bucket. */
export interface ArchiveFile extends Omit<WrittenFile, 'localPath'> {
  /** s3://bucket/key */
  readonly path: string;
}

const MICROS = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint::text`;
const BYTES = (column: string): string => `(${column} - '0/0')::bigint::text`;

interface UnitRow {
  readonly schema_name: string;
  readonly table_name: string;
  readonly archive_id: string;
  readonly relation_id: number;
  readonly unit: number;
  readonly lsn_space: number;
  readonly from_lsn: string;
  readonly to_lsn: string;
  readonly to_ts: string;
  readonly state: UnitState;
  readonly row_count: string | null;
  readonly checksum: string | null;
}

/** The units of a node, or of one table, in the order in which they are archived. */
export async function readUnits(
  store: Queryable,
  nodeId: string,
  table: TableName | null = null,
): Promise<ArchiveUnit[]> {
  const { rows } = await store.query<UnitRow>(
    `SELECT s.schema_name, s.table_name, s.archive_id, u.relation_id, u.unit, u.lsn_space, u.from_lsn, u.to_lsn,
            to_char(u.to_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS to_ts, u.state, u.row_count, u.checksum
       FROM pgtimewarp.archive_units AS u
       JOIN pgtimewarp.relation_periods AS p ON p.relation_id = u.relation_id
       JOIN pgtimewarp.archive_settings AS s
         ON s.node_id = p.node_id AND s.schema_name = p.schema_name AND s.table_name = p.table_name
      WHERE p.node_id = $1::text AND ($2::text IS NULL OR (s.schema_name, s.table_name) = ($2::text, $3::text))
      ORDER BY u.relation_id, u.unit`,
    [nodeId, table?.schema ?? null, table?.name ?? null],
  );
  return rows.map((row) => {
    const checksum = new RowChecksum();
    if (row.checksum !== null) checksum.addSum(BigInt(row.row_count!), BigInt(row.checksum));
    return {
      nodeId,
      table: { schema: row.schema_name, name: row.table_name },
      archiveId: row.archive_id,
      relationId: row.relation_id,
      unit: row.unit,
      lsnSpace: row.lsn_space,
      fromLsn: row.from_lsn,
      toLsn: row.to_lsn,
      toTs: row.to_ts,
      state: row.state,
      checksum: row.checksum === null ? null : checksum,
    };
  });
}

/** planned → written, with the files. @returns false: another archiver has done it */
export async function markWritten(
  tx: StoreTransaction,
  unit: ArchiveUnit,
  { checksum, files }: { readonly checksum: RowChecksum; readonly files: readonly ArchiveFile[] },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE pgtimewarp.archive_units SET state = 'written', row_count = $3::bigint, checksum = $4::numeric
      WHERE relation_id = $1::int AND unit = $2::int AND state = 'planned'`,
    [unit.relationId, unit.unit, checksum.rows.toString(), checksum.sum.toString()],
  );
  if (rowCount !== 1) return false;
  const of = <T>(pick: (file: ArchiveFile) => T): string[] => files.map((file) => String(pick(file)));
  await tx.query(
    `INSERT INTO pgtimewarp.archive_files (path, relation_id, unit, sha256, bytes, row_count, min_pk, max_pk, min_lsn, max_lsn, min_ts, max_ts, groups)
     SELECT f.path, $1::int, $2::int, f.sha256, f.bytes, f.row_count, f.min_pk, f.max_pk, '0/0'::pg_lsn + f.min_lsn,
            '0/0'::pg_lsn + f.max_lsn, 'epoch'::timestamptz + f.min_ts * interval '1 microsecond',
            'epoch'::timestamptz + f.max_ts * interval '1 microsecond', f.groups
       FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::numeric[], $10::numeric[],
                   $11::bigint[], $12::bigint[], $13::jsonb[])
         AS f (path, sha256, bytes, row_count, min_pk, max_pk, min_lsn, max_lsn, min_ts, max_ts, groups)`,
    [
      ...[unit.relationId, unit.unit, of((f) => f.path), of((f) => f.sha256), of((f) => f.bytes)],
      ...[
        of((f) => f.rows),
        of((f) => f.minPk),
        of((f) => f.maxPk),
        of((f) => f.minLsn),
        of((f) => f.maxLsn),
      ],
      ...[of((f) => f.minTs), of((f) => f.maxTs), of((f) => JSON.stringify(f.groups))],
    ],
  );
  return true;
}

/** written → committed. */
export async function markCommitted(
  store: Queryable,
  unit: ArchiveUnit,
  snapshotId: bigint | null,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.archive_units SET state = 'committed', snapshot_id = $3::bigint
      WHERE relation_id = $1::int AND unit = $2::int AND state = 'written'`,
    [unit.relationId, unit.unit, snapshotId === null ? null : snapshotId.toString()],
  );
}

/** committed → verified; of a verified unit it moves the time. */
export async function markVerified(store: Queryable, unit: ArchiveUnit): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.archive_units SET state = 'verified', verified_at = clock_timestamp()
      WHERE relation_id = $1::int AND unit = $2::int AND state IN ('committed', 'verified')`,
    [unit.relationId, unit.unit],
  );
}

interface FileRow {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: string;
  readonly row_count: string;
  readonly min_pk: string;
  readonly max_pk: string;
  readonly min_lsn: string;
  readonly max_lsn: string;
  readonly min_ts: string;
  readonly max_ts: string;
  readonly groups: string;
}

/** The files of a unit, in the order of their keys. */
export async function readFiles(
  store: Queryable,
  { relationId, unit }: Pick<ArchiveUnit, 'relationId' | 'unit'>,
): Promise<ArchiveFile[]> {
  const { rows } = await store.query<FileRow>(
    `SELECT f.path, f.sha256, f.bytes::text, f.row_count::text, f.min_pk, f.max_pk, ${BYTES('f.min_lsn')} AS min_lsn,
            ${BYTES('f.max_lsn')} AS max_lsn, ${MICROS('f.min_ts')} AS min_ts, ${MICROS('f.max_ts')} AS max_ts, f.groups::text
       FROM pgtimewarp.archive_files AS f
      WHERE f.relation_id = $1::int AND f.unit = $2::int
      ORDER BY f.min_pk, f.path`,
    [relationId, unit],
  );
  return rows.map((row) => ({
    path: row.path,
    sha256: row.sha256,
    bytes: Number.parseInt(row.bytes, 10),
    rows: Number.parseInt(row.row_count, 10),
    minPk: row.min_pk,
    maxPk: row.max_pk,
    minLsn: BigInt(row.min_lsn),
    maxLsn: BigInt(row.max_lsn),
    minTs: BigInt(row.min_ts),
    maxTs: BigInt(row.max_ts),
    groups: JSON.parse(row.groups) as RowGroupPlace[], // our own
  }));
}

/** Whether the store still has every row of the unit: neither retention nor the archive has dropped anything of it. */
export async function isWholeInStore(store: Queryable, unit: ArchiveUnit): Promise<boolean> {
  if (unit.state !== 'verified') return true; // retention waits for units that are not verified
  const { rows } = await store.query<{ whole: boolean }>(
    `SELECT NOT EXISTS (
              SELECT FROM pgtimewarp.relation_retention AS x
               WHERE x.relation_id = $1::int AND x.expired_before_lsn > $2::pg_lsn)
        AND NOT EXISTS (
              SELECT FROM pgtimewarp.archive_cutoffs AS c
               WHERE c.relation_id = $1::int AND c.before_lsn > $2::pg_lsn) AS whole`,
    [unit.relationId, unit.fromLsn],
  );
  return rows[0]!.whole;
}
