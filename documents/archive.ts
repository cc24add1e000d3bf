/** Which tables are archived and how far, what a run has archived, what reading back has found, and a query on the archive. */
import type { ArchiveRunResult } from '../core/archive/archive-run.ts';
import type { AsOfSql } from '../core/archive/as-of-sql.ts';
import type { ArchivedTable, VerifiedUnit } from '../core/archive/change-archive.ts';
import type { PointDocument } from './values.ts';

export interface ArchiveSetDocument {
  readonly node: string;
  readonly table: string;
  /** null: no new unit is begun. */
  readonly hot: string | null;
  readonly min_rows: number | null;
  readonly drop: boolean;
}

export function archiveSetDocument(
  node: string,
  table: string,
  setting: { readonly hot: string | null; readonly minRows: number; readonly drops: boolean },
): ArchiveSetDocument {
  const { hot, minRows, drops } = setting;
  return { node, table, hot, min_rows: hot === null ? null : minRows, drop: hot !== null && drops };
}

export interface ArchiveDocument {
  readonly node: string;
  readonly tables: readonly {
    readonly table: string;
    readonly relation_id: number;
    readonly hot: string;
    readonly min_rows: number;
    readonly on: boolean;
    readonly drop: boolean;
    /** Of older instants the archive alone has everything; null: the store has. */
    readonly hot_from: PointDocument | null;
    /** Exclusive; null: nothing is verified yet. */
    readonly archived_to: PointDocument | null;
    readonly units: ArchivedTable['units'];
    readonly rows: string;
    readonly files: number;
    readonly bytes: string;
  }[];
}

export function archiveDocument(node: string, tables: readonly ArchivedTable[]): ArchiveDocument {
  return {
    node,
    tables: tables.map((table) => ({
      table: table.table,
      relation_id: table.relationId,
      hot: table.hot,
      min_rows: table.minRows,
      on: table.isOn,
      drop: table.drops,
      hot_from: table.hotFrom,
      archived_to: table.archivedTo,
      units: table.units,
      rows: table.rows,
      files: table.files,
      bytes: table.bytes,
    })),
  };
}

export interface ArchiveRunDocument {
  readonly node: string;
  readonly outcome: 'done' | 'busy';
  readonly units: number;
  readonly rows: string;
}

export function archiveRunDocument(node: string, result: ArchiveRunResult): ArchiveRunDocument {
  return { node, outcome: result.outcome, units: result.units, rows: result.rows.toString() };
}

/** What a scheduled run of the archive did for a node. */
export interface ArchiverDocument {
  readonly node: string;
  /** stopped: its time was over, and the next run goes on */
  readonly outcome: 'done' | 'busy' | 'stopped' | 'failed';
  readonly units: number;
  readonly rows: string;
  /** How long the oldest unit that is not verified has been due; null: the store did not say. */
  readonly due_seconds: number | null;
  readonly reason: string | null;
}

export function archiverDocument(
  node: string,
  result: {
    readonly outcome: ArchiverDocument['outcome'];
    readonly units: number;
    readonly rows: bigint;
    readonly dueSeconds: number | null;
    readonly reason: string | null;
  },
): ArchiverDocument {
  const { outcome, units, rows, dueSeconds, reason } = result;
  return { node, outcome, units, rows: rows.toString(), due_seconds: dueSeconds, reason };
}

export interface ArchiveVerifyDocument {
  readonly node: string;
  readonly damaged: number;
  readonly units: readonly VerifiedUnit[];
}

export function archiveVerifyDocument(node: string, units: readonly VerifiedUnit[]): ArchiveVerifyDocument {
  return {
    node,
    damaged: units.filter(({ damage }) => damage !== null).length,
    units: units.map(({ table, unit, rows, damage }) => ({ table, unit, rows, damage })),
  };
}

export interface ArchiveSqlDocument {
  readonly table: string;
  readonly dialect: string;
  readonly as_of: { readonly requested: string | null; readonly lsn: string };
  readonly metadata_location: string | null;
  readonly sql: string;
}

export function archiveSqlDocument(query: AsOfSql): ArchiveSqlDocument {
  return {
    table: query.table,
    dialect: query.dialect,
    as_of: { requested: query.requested, lsn: query.lsn },
    metadata_location: query.metadataLocation,
    sql: query.sql,
  };
}
