/** Where a node begins with a new slot. */
import { readEndOfWal } from '../source/slot/end-of-wal.ts';
import type { Horizon } from '../store/node/claim.ts';
import { boundTime } from '../store/node/trusted-clock.ts';
import { type Lsn, maxLsn } from '../types/lsn.ts';
import type { Databases } from './databases.ts';

/**
 * The first horizon of a node, whose tables begin there or later: the end of WAL after the creation of the slot. It is not the position of the
 * slot, because that belongs to no known time. A clock read before the creation, which can wait for hours, is too early for it, and the
 * commits that other nodes of this source have meanwhile would get earlier times than they had (decision 0023).
 * @param slotStart the position from which on the slot delivers complete transactions
 */
export async function readBeginning({ source, store }: Databases, slotStart: Lsn): Promise<Horizon> {
  const { upto, now } = await readEndOfWal(source);
  const { time } = await boundTime(store, now);
  return { lsn: maxLsn(upto, slotStart), time };
}
