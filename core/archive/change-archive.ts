/** Sets which tables are archived, shows how far they are, and reads archived units back. */
import type { Client } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import { throwIfAborted } from '../setup/cancel-on-abort.ts';
import { withStoreOnly } from '../setup/databases.ts';
import { requireNode } from '../store/node/nodes.ts';
import { requireWritable } from '../store/schema/migrate.ts';
import type { ArchiveTarget } from './archive-target.ts';
import { readUnits } from './units.ts';
import { verifyUnit } from './verify-unit.ts';

export interface ArchiveStore {
  readonly storeUrl: string;
  readonly node: string;
}

/** Fewer rows than this make files that are not worth their requests. */
export const DEFAULT_MIN_ROWS = 1_000_000;

export interface ArchiveSetting {
  /** null: no new unit is begun. */
  readonly hot: string | null;
  readonly minRows: number;
  /** Whether history that is archived and verified is dropped from the store. */
  readonly drops: boolean;
}

/** Throws TABLE_NOT_TRACKED, and BAD_FLAGS for a window that is none, or not shorter than the retention of the table. */
export async function setArchive(
  where: ArchiveStore,
  table: TableName,
  setting: ArchiveSetting,
): Promise<void> {
  await inStore(where, (store) => setArchiveIn(store, where.node, { table, ...setting }));
}

/** As {@link setArchive}, with a session. */
export async function setArchiveIn(
  store: Queryable,
  node: string,
  { table, hot, minRows, drops }: ArchiveSetting & { readonly table: TableName },
): Promise<void> {
  if (hot === null) {
    await requireArchive(store, node, table);
    await store.query(
      `UPDATE pgtimewarp.archive_settings SET is_on = false
        WHERE node_id = $1::text AND schema_name = $2::text AND table_name = $3::text`,
      [node, table.schema, table.name],
    );
    return;
  }
  await requireHot(store, node, { table, hot });
  await store.query(
    `INSERT INTO pgtimewarp.archive_settings (node_id, schema_name, table_name, hot, min_rows, drops)
     VALUES ($1::text, $2::text, $3::text, $4::interval, $5::int, $6::boolean)
     ON CONFLICT ON CONSTRAINT archive_settings_pkey DO UPDATE -- set before
        SET hot = excluded.hot, min_rows = excluded.min_rows, drops = excluded.drops, is_on = true`,
    [node, table.schema, table.name, hot, minRows, drops],
  );
}

async function requireHot(
  store: Queryable,
  node: string,
  { table, hot }: { readonly table: TableName; readonly hot: string },
): Promise<void> {
  const { rows } = await store.query<{ retention: string | null; is_shorter: boolean; is_positive: boolean }>(
    `SELECT r.retention::text, coalesce($4::interval < r.retention, true) AS is_shorter,
            $4::interval > interval '0' AND $4::interval <= interval '1000 years' AS is_positive
       FROM pgtimewarp.tracked_relations AS r
      WHERE r.node_id = $1::text AND r.schema_name = $2::text AND r.table_name = $3::text`,
    [node, table.schema, table.name, hot],
  );
  const row = rows[0];
  if (row === undefined)
    throw new TimewarpError(
      'TABLE_NOT_TRACKED',
      `${formatTableName(table)} is not tracked by node "${node}".`,
    );
  if (!row.is_positive)
    throw new TimewarpError('BAD_FLAGS', `--hot ${hot} is not between nothing and 1000 years.`);
  if (!row.is_shorter)
    throw new TimewarpError(
      'BAD_FLAGS',
      `The history of ${formatTableName(table)} is kept for ${row.retention}: none of it becomes older than ${hot}.`,
      { remedy: 'Set a longer retention, or a shorter --hot.' },
    );
}

/** Throws ARCHIVE_NOT_SET. */
export async function requireArchive(store: Queryable, node: string, table: TableName): Promise<void> {
  if (await hasArchive(store, node, table)) return;
  throw new TimewarpError('ARCHIVE_NOT_SET', `${formatTableName(table)} of node "${node}" has no archive.`);
}

/** Whether a table has an archive, also one that begins no new unit. */
export async function hasArchive(store: Queryable, node: string, table: TableName): Promise<boolean> {
  const { rows } = await store.query(
    `SELECT FROM pgtimewarp.archive_settings
      WHERE node_id = $1::text AND schema_name = $2::text AND table_name = $3::text`,
    [node, table.schema, table.name],
  );
  return rows.length > 0;
}

export interface ArchivedTable {
  readonly table: string;
  readonly relationId: number;
  readonly hot: string;
  readonly minRows: number;
  readonly isOn: boolean;
  readonly drops: boolean;
  /** The store alone answers from here on, inclusive; null: everything is in the store. */
  readonly hotFrom: { readonly lsn: string; readonly ts: string } | null;
  /** Verified up to here, exclusive; null: nothing yet. */
  readonly archivedTo: { readonly lsn: string; readonly ts: string } | null;
  /** Units by state. */
  readonly units: Readonly<Record<'planned' | 'written' | 'committed' | 'verified', number>>;
  readonly rows: string;
  readonly files: number;
  readonly bytes: string;
}

interface ArchivedRow {
  readonly schema_name: string;
  readonly table_name: string;
  readonly relation_id: number;
  readonly hot: string;
  readonly min_rows: number;
  readonly is_on: boolean;
  readonly drops: boolean;
  readonly before_lsn: string | null;
  readonly before_ts: string | null;
  readonly to_lsn: string | null;
  readonly to_ts: string | null;
  readonly planned: number;
  readonly written: number;
  readonly committed: number;
  readonly verified: number;
  readonly rows: string;
  readonly files: number;
  readonly bytes: string;
}

/** Every table with an archive, in its present period. */
export async function showArchive(where: ArchiveStore): Promise<ArchivedTable[]> {
  return inStore(where, async (store) => {
    const { rows } = await store.query<ArchivedRow>(
      `SELECT s.schema_name, s.table_name, r.relation_id, s.hot::text, s.min_rows, s.is_on, s.drops, c.before_lsn,
              to_char(c.before_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS before_ts, u.to_lsn,
              to_char(u.to_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS to_ts,
              u.planned, u.written, u.committed, u.verified, u.rows, f.files, f.bytes
         FROM pgtimewarp.archive_settings AS s
         JOIN pgtimewarp.tracked_relations AS r
           ON r.node_id = s.node_id AND r.schema_name = s.schema_name AND r.table_name = s.table_name
         LEFT JOIN pgtimewarp.archive_cutoffs AS c ON c.relation_id = r.relation_id
        CROSS JOIN LATERAL (
              SELECT max(a.to_lsn) FILTER (WHERE a.state = 'verified') AS to_lsn, max(a.to_ts) FILTER (WHERE a.state = 'verified') AS to_ts,
                     (count(*) FILTER (WHERE a.state = 'planned'))::int AS planned,
                     (count(*) FILTER (WHERE a.state = 'written'))::int AS written,
                     (count(*) FILTER (WHERE a.state = 'committed'))::int AS committed,
                     (count(*) FILTER (WHERE a.state = 'verified'))::int AS verified, coalesce(sum(a.row_count), 0)::text AS rows
                FROM pgtimewarp.archive_units AS a WHERE a.relation_id = r.relation_id) AS u
        CROSS JOIN LATERAL (
              SELECT count(*)::int AS files, coalesce(sum(a.bytes), 0)::text AS bytes
                FROM pgtimewarp.archive_files AS a WHERE a.relation_id = r.relation_id) AS f
        WHERE s.node_id = $1::text
        ORDER BY s.schema_name, s.table_name`,
      [where.node],
    );
    return rows.map((row) => ({
      table: formatTableName({ schema: row.schema_name, name: row.table_name }),
      relationId: row.relation_id,
      hot: row.hot,
      minRows: row.min_rows,
      isOn: row.is_on,
      drops: row.drops,
      hotFrom:
        row.before_lsn === null || row.before_ts === null ? null : { lsn: row.before_lsn, ts: row.before_ts },
      archivedTo: row.to_lsn === null || row.to_ts === null ? null : { lsn: row.to_lsn, ts: row.to_ts },
      units: { planned: row.planned, written: row.written, committed: row.committed, verified: row.verified },
      rows: row.rows,
      files: row.files,
      bytes: row.bytes,
    }));
  });
}

export interface VerifyRequest extends ArchiveStore {
  readonly target: ArchiveTarget;
  /** null: all of the node. */
  readonly table: TableName | null;
  readonly signal?: AbortSignal;
}

export interface VerifiedUnit {
  readonly table: string;
  readonly unit: number;
  readonly rows: string;
  /** null: it is as it was written. */
  readonly damage: string | null;
}

/** Reads every committed unit back. Damage is part of the result; an unreachable bucket is an error. */
export async function verifyArchive(request: VerifyRequest): Promise<VerifiedUnit[]> {
  return inStore(request, async (store) => {
    if (request.table !== null) await requireArchive(store, request.node, request.table);
    const results: VerifiedUnit[] = [];
    for (const unit of await readUnits(store, request.node, request.table)) {
      throwIfAborted(request.signal);
      if (unit.state !== 'committed' && unit.state !== 'verified') continue;
      let damage: string | null = null;
      try {
        await verifyUnit(store, request.target, { unit, signal: request.signal });
      } catch (error) {
        if (!(error instanceof TimewarpError) || !/^ARCHIVE_(DAMAGED|FOREIGN)$/.test(error.code)) throw error;
        damage = error.message;
      }
      const rows = unit.checksum!.rows.toString();
      results.push({ table: formatTableName(unit.table), unit: unit.unit, rows, damage });
    }
    return results;
  });
}

function inStore<T>(where: ArchiveStore, work: (store: Client) => Promise<T>): Promise<T> {
  return withStoreOnly({ storeUrl: where.storeUrl, node: where.node }, async (store) => {
    await requireWritable(store);
    await requireNode(store, where.node);
    return work(store);
  });
}
