/**
 * Reads facts of the source and of the slot in one statement, at the start of a run (PostgreSQL manual, "pg_replication_slots", "Control
 * Data Functions"). A role with REPLICATION may read all of them. If a hosted platform refuses some, the others are read without them,
 * and `unknown` names the missing ones.
 */

import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { FactReader } from '../../pg/fact-reader.ts';
import { isLacking } from '../../pg/lacking.ts';
import { type CommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { type Lsn, parseLsn } from '../../types/lsn.ts';
import { UNKNOWN_SYSTEM } from '../../types/server-identity.ts';
import { canDecode } from './wal-level.ts';

export interface SourceFacts {
  /** See core/types/server-identity.ts. */
  readonly systemIdentifier: string;
  /** 0: not known. */
  readonly timeline: number;
  readonly database: string;
  /** As in server_version_num: 150020 for 15.20. */
  readonly versionNumber: number;
  readonly version: string;
  readonly walLevel: string;
  /** null before PostgreSQL 19: see wal-level.ts. */
  readonly effectiveWalLevel: string | null;
  readonly inRecovery: boolean;
  /** 0/0: not known. */
  readonly insertLsn: Lsn;
  readonly flushLsn: Lsn;
  readonly clock: CommitTime;
  /** max_slot_wal_keep_size; null: no limit. */
  readonly maxSlotWalKeepBytes: bigint | null;
  /** null when the server has no slot of that name. */
  readonly slot: SlotFacts | null;
  /** Names of the views and functions that the server refused. */
  readonly unknown: readonly string[];
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

export const SLOTS = 'pg_replication_slots';
export const INSERTED = 'pg_current_wal_insert_lsn()';

type FactsRow = Record<string, string | number | boolean | null>;

/** Each part with the value that replaces it if the server refuses it. */
const PARTS = {
  system: [
    'pg_control_system()',
    '(SELECT system_identifier::text FROM pg_catalog.pg_control_system())',
    `'${UNKNOWN_SYSTEM}' || $1::text`,
  ],
  // the control file shows a promotion only after its checkpoint, which may take minutes
  timeline: [
    'pg_control_checkpoint()',
    '(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())',
    'NULL::int',
  ],
  promoted: [
    'pg_walfile_name()',
    `CASE WHEN NOT pg_is_in_recovery() AND to_regproc('pg_catalog.aurora_version') IS NULL
          THEN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END`,
    'NULL::int',
  ],
  recovery: ['pg_is_in_recovery()', 'pg_is_in_recovery()', 'false'],
  inserted: [
    INSERTED,
    'CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END',
    `'0/0'::pg_lsn`,
  ],
  flushed: [
    'pg_current_wal_flush_lsn()',
    'CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END',
    `'0/0'::pg_lsn`,
  ],
  slot: [
    SLOTS,
    `(SELECT slot_name, plugin, database, slot_type, two_phase, temporary, active_pid, wal_status, restart_lsn,
             confirmed_flush_lsn, safe_wal_size FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::text)`,
    `(SELECT NULL::name AS slot_name, NULL::name AS plugin, NULL::name AS database, NULL AS slot_type, false AS two_phase,
             false AS temporary, NULL::int AS active_pid, NULL AS wal_status, NULL::pg_lsn AS restart_lsn,
             NULL::pg_lsn AS confirmed_flush_lsn, NULL::int8 AS safe_wal_size WHERE false)`,
  ],
} as const;

type Part = keyof typeof PARTS;
const PART_NAMES = Object.keys(PARTS) as Part[];

/**
 * Reads server identity, positions, clock and slot. On a standby the positions are the replayed ones. They are 0/0 if the platform does not
 * tell them (a reader of Amazon Aurora, or a writer without logical replication).
 */
export async function readSourceFacts(source: Queryable, slotName: string): Promise<SourceFacts> {
  const facts = await readKnownFacts(source, slotName);
  // a run needs these: without them it must not conclude anything
  const isDecoding = canDecode(facts) && !facts.inRecovery;
  const needed = facts.unknown.filter(
    (what) => what === SLOTS || (isDecoding && what.startsWith('pg_current_wal')),
  );
  if (needed.length === 0) return facts;
  throw new TimewarpError('PERMISSION_DENIED', `The source refuses access to ${needed.join(', ')}.`, {
    facts: { side: 'source', sqlstate: '42501' },
  });
}

/** As {@link readSourceFacts}, but never throws because a fact is unknown. */
export async function readKnownFacts(source: Queryable, slotName: string): Promise<SourceFacts> {
  try {
    return factsOf(await readFactsRow(source, slotName, PART_NAMES), []);
  } catch (error) {
    if (!isLacking(error)) throw error;
  }
  const reader = new FactReader(source);
  const known: Part[] = [];
  for (const part of PART_NAMES) {
    const [what, sql] = PARTS[part];
    const text = part === 'slot' ? `SELECT count(*) FROM ${sql} AS s` : `SELECT ${sql}, $1::text`;
    if ((await reader.rows(what, text, [slotName])) !== null) known.push(part);
  }
  return factsOf(await readFactsRow(source, slotName, known), reader.unknown);
}

function factsOf(row: FactsRow, unknown: readonly string[]): SourceFacts {
  const lsnOrNull = (value: unknown): Lsn | null => (value === null ? null : parseLsn(value as string));
  return {
    systemIdentifier: row.system_identifier as string,
    timeline: row.timeline as number,
    database: row.database_name as string,
    versionNumber: row.version_number as number,
    version: row.version as string,
    walLevel: row.wal_level as string,
    effectiveWalLevel: row.effective_wal_level as string | null,
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
    unknown,
  };
}

async function readFactsRow(source: Queryable, slotName: string, known: readonly Part[]): Promise<FactsRow> {
  const sql = (part: Part): string => PARTS[part][known.includes(part) ? 1 : 2];
  const { rows } = await source.query<FactsRow>(
    `SELECT ${sql('system')} AS system_identifier,
            coalesce(greatest(${sql('timeline')}, ${sql('promoted')}), 0) AS timeline,
            current_database()::text AS database_name,
            current_setting('server_version_num')::int AS version_number,
            current_setting('server_version') AS version,
            current_setting('wal_level') AS wal_level,
            current_setting('effective_wal_level', true) AS effective_wal_level,
            ${sql('recovery')} AS in_recovery, ${sql('inserted')} AS insert_lsn, ${sql('flushed')} AS flush_lsn,
            clock_timestamp() AS clock,
            nullif(pg_size_bytes(current_setting('max_slot_wal_keep_size')), -1) AS max_slot_wal_keep,
            s.slot_name IS NOT NULL AS has_slot, s.plugin::text AS plugin, s.database::text AS slot_database,
            s.slot_type, s.two_phase, s.temporary, s.active_pid, s.wal_status,
            s.restart_lsn, s.confirmed_flush_lsn, s.safe_wal_size
       FROM (SELECT 1) AS one
       LEFT JOIN ${sql('slot')} AS s ON s.slot_name = $1::text`,
    [slotName],
  );
  return rows[0]!;
}

/** Where slot and server stand, in one reading. */
interface Standing {
  /** See {@link readConfirmedLsn}. */
  readonly confirmed: Lsn | null;
  /** The position up to which WAL has been inserted. */
  readonly position: Lsn;
  /** The clock of the source. */
  readonly clock: CommitTime;
}

export async function readStanding(source: Queryable, slotName: string): Promise<Standing> {
  const { rows } = await source.query<{ confirmed: string | null; position: string; clock: string }>(
    `SELECT (SELECT s.confirmed_flush_lsn FROM pg_catalog.pg_replication_slots AS s WHERE s.slot_name = $1::name) AS confirmed,
            pg_current_wal_insert_lsn() AS position, clock_timestamp() AS clock`,
    [slotName],
  );
  const { confirmed, position, clock } = rows[0]!;
  return {
    confirmed: confirmed === null ? null : parseLsn(confirmed),
    position: parseLsn(position),
    clock: parseCommitTime(clock),
  };
}

/** The position up to which the slot is confirmed; null if the slot does not exist. */
export async function readConfirmedLsn(source: Queryable, slotName: string): Promise<Lsn | null> {
  const { rows } = await source.query<{ lsn: string | null }>(
    'SELECT confirmed_flush_lsn AS lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name',
    [slotName],
  );
  const lsn = rows[0]?.lsn ?? null;
  return lsn === null ? null : parseLsn(lsn);
}
