/**
 * What the source says of itself and of the slot, read in one statement at the start of a run (PostgreSQL manual,
 * "pg_replication_slots", "Control Data Functions"). Any role with REPLICATION may read all of it.
 */

import type { Queryable } from '../pg/connection.ts';
import { sqlState } from '../pg/database-error.ts';
import { type CommitTime, parseCommitTime } from '../types/commit-time.ts';
import { type Lsn, parseLsn } from '../types/lsn.ts';

export interface SourceFacts {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly database: string;
  /** As in server_version_num: 150020 for 15.20. */
  readonly versionNumber: number;
  readonly version: string;
  readonly walLevel: string;
  readonly inRecovery: boolean;
  readonly insertLsn: Lsn;
  readonly flushLsn: Lsn;
  readonly clock: CommitTime;
  /** max_slot_wal_keep_size; null: no limit. */
  readonly maxSlotWalKeepBytes: bigint | null;
  /** null when the server has no slot of that name. */
  readonly slot: SlotFacts | null;
}

export interface SlotFacts {
  readonly plugin: string;
  readonly database: string | null;
  readonly slotType: string;
  readonly twoPhase: boolean;
  readonly temporary: boolean;
  readonly activePid: number | null;
  /** reserved | extended | unreserved | lost; null when the slot reserves nothing. */
  readonly walStatus: string | null;
  readonly restartLsn: Lsn | null;
  readonly confirmedFlushLsn: Lsn | null;
  /** Bytes of WAL that can still be written before the slot is in danger; null without a limit. */
  readonly safeWalBytes: bigint | null;
}

/** SQLSTATE feature_not_supported. */
const NOT_SUPPORTED = '0A000';
type FactsRow = Record<string, string | number | boolean | null>;

/**
 * Reads server identity, positions, clock and slot. Works on a standby too: positions are then those replayed, or 0/0 where a
 * platform does not tell them (a reader of Amazon Aurora).
 */
export async function readSourceFacts(source: Queryable, slotName: string): Promise<SourceFacts> {
  const row = await readFactsRow(source, slotName, 'pg_last_wal_replay_lsn()').catch((error: unknown) => {
    if (sqlState(error) !== NOT_SUPPORTED) throw error;
    return readFactsRow(source, slotName, `'0/0'::pg_lsn`);
  });
  const lsnOrNull = (value: unknown): Lsn | null => (value === null ? null : parseLsn(value as string));
  return {
    systemIdentifier: row.system_identifier as string,
    timeline: row.timeline as number,
    database: row.database_name as string,
    versionNumber: row.version_number as number,
    version: row.version as string,
    walLevel: row.wal_level as string,
    inRecovery: row.in_recovery as boolean,
    insertLsn: parseLsn(row.insert_lsn as string),
    flushLsn: parseLsn(row.flush_lsn as string),
    clock: parseCommitTime(row.clock as string),
    maxSlotWalKeepBytes: row.max_slot_wal_keep === null ? null : BigInt(row.max_slot_wal_keep as string),
    slot: row.has_slot
      ? {
          plugin: row.plugin as string,
          database: row.slot_database as string | null,
          slotType: row.slot_type as string,
          twoPhase: row.two_phase as boolean,
          temporary: row.temporary as boolean,
          activePid: row.active_pid as number | null,
          walStatus: row.wal_status as string | null,
          restartLsn: lsnOrNull(row.restart_lsn),
          confirmedFlushLsn: lsnOrNull(row.confirmed_flush_lsn),
          safeWalBytes: row.safe_wal_size === null ? null : BigInt(row.safe_wal_size as string),
        }
      : null,
  };
}

async function readFactsRow(source: Queryable, slotName: string, replayed: string): Promise<FactsRow> {
  const { rows } = await source.query<FactsRow>(
    `SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
            -- the control file tells of a promotion only from its checkpoint on, which may take minutes
            (SELECT greatest(timeline_id,
                      CASE WHEN NOT pg_is_in_recovery() AND to_regproc('pg_catalog.aurora_version') IS NULL
                           THEN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END)
               FROM pg_catalog.pg_control_checkpoint()) AS timeline,
            current_database()::text AS database_name,
            current_setting('server_version_num')::int AS version_number,
            current_setting('server_version') AS version,
            current_setting('wal_level') AS wal_level,
            pg_is_in_recovery() AS in_recovery,
            CASE WHEN pg_is_in_recovery() THEN ${replayed} ELSE pg_current_wal_insert_lsn() END AS insert_lsn,
            CASE WHEN pg_is_in_recovery() THEN ${replayed} ELSE pg_current_wal_flush_lsn() END AS flush_lsn,
            clock_timestamp() AS clock,
            nullif(pg_size_bytes(current_setting('max_slot_wal_keep_size')), -1) AS max_slot_wal_keep,
            s.slot_name IS NOT NULL AS has_slot, s.plugin::text AS plugin, s.database::text AS slot_database,
            s.slot_type, s.two_phase, s.temporary, s.active_pid, s.wal_status,
            s.restart_lsn, s.confirmed_flush_lsn, s.safe_wal_size
       FROM (SELECT 1) AS one
       LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.slot_name = $1::text`,
    [slotName],
  );
  return rows[0]!;
}

/** How far the slot has been confirmed; null when there is no such slot. */
export async function readConfirmedLsn(source: Queryable, slotName: string): Promise<Lsn | null> {
  const { rows } = await source.query<{ lsn: string | null }>(
    'SELECT confirmed_flush_lsn AS lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name',
    [slotName],
  );
  const lsn = rows[0]?.lsn ?? null;
  return lsn === null ? null : parseLsn(lsn);
}
