/** What became of the slot of a node, and how much WAL it may keep. */
import type { ReleaseResult } from '../core/release-slot.ts';
import type { StoredNode } from '../core/store/node/nodes.ts';

export interface ReleasedSlotDocument {
  readonly node: string;
  readonly slot: string;
  /** false: there was none. */
  readonly dropped: boolean;
  readonly kept_bytes: number;
}

export function releasedSlotDocument({
  node,
  slot,
  dropped,
  keptBytes,
}: ReleaseResult): ReleasedSlotDocument {
  return { node, slot, dropped, kept_bytes: Number(keptBytes) };
}

export interface SlotSettingsDocument {
  readonly node: string;
  /** null: the default. */
  readonly slot_budget_bytes: number | null;
  /** Whether runs drop the slot when the budget is used up. */
  readonly automatic: boolean;
}

export function slotSettingsDocument({
  node,
  slotBudgetBytes,
  releasesSlot,
}: Pick<StoredNode, 'node' | 'slotBudgetBytes' | 'releasesSlot'>): SlotSettingsDocument {
  return {
    node,
    slot_budget_bytes: slotBudgetBytes === null ? null : Number(slotBudgetBytes),
    automatic: releasesSlot,
  };
}
