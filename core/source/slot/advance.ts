/**
 * The only place that moves a slot, and only to what the store has committed (invariant "peek, commit, advance").
 */

import type { Queryable } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import { readConfirmedLsn } from './source-facts.ts';

/** SQLSTATE object_not_in_prerequisite_state: among others, an advance to before the slot's position. */
const NOT_IN_PREREQUISITE_STATE = '55000';
/** SQLSTATE object_in_use: another session reads the slot. */
const OBJECT_IN_USE = '55006';

/**
 * Moves the slot forward to `committed`; the server limits that to the flushed position. If the slot is already there or further, or if
 * another session holds it now, it stays: the next run reads the same changes again and recognises them.
 * @returns the position of the slot; null if it stayed
 */
export async function advanceSlot(source: Queryable, slotName: string, committed: Lsn): Promise<Lsn | null> {
  try {
    const { rows } = await source.query<{ end_lsn: string }>(
      'SELECT end_lsn FROM pg_catalog.pg_replication_slot_advance($1::name, $2::pg_lsn)',
      [slotName, formatLsn(committed)],
    );
    return parseLsn(rows[0]!.end_lsn);
  } catch (error) {
    const state = sqlState(error);
    if (state === OBJECT_IN_USE) return null;
    if (state !== NOT_IN_PREREQUISITE_STATE) throw error;
    const standsAt = await readConfirmedLsn(source, slotName); // the SQLSTATE has other meanings too, and messages are translated
    if (standsAt !== null && standsAt > committed) return null;
    throw error;
  }
}
