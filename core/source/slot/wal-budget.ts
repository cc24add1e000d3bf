/** How much WAL a slot may keep on the source, and how much it keeps. Pure. */
import { lsnDistanceBytes } from '../../types/lsn.ts';
import type { SourceFacts } from './source-facts.ts';

const DEFAULT_BYTES = 10n * 1024n ** 3n;

export interface WalBudget {
  readonly keptBytes: bigint;
  readonly budgetBytes: bigint;
  readonly percent: number;
}

/** The budget of the node; default: half of max_slot_wal_keep_size, or 10 GiB without that. @returns null without a slot that keeps WAL */
export function walBudget(facts: SourceFacts, ownBudgetBytes: bigint | null): WalBudget | null {
  const restart = facts.slot?.restartLsn ?? null;
  if (restart === null) return null;
  const half = facts.maxSlotWalKeepBytes === null ? null : facts.maxSlotWalKeepBytes / 2n;
  const budgetBytes = ownBudgetBytes ?? (half === null || half === 0n ? DEFAULT_BYTES : half);
  const keptBytes = lsnDistanceBytes(restart, facts.insertLsn);
  return {
    keptBytes,
    budgetBytes,
    percent: Number.parseInt(((keptBytes * 100n) / budgetBytes).toString(), 10),
  };
}
