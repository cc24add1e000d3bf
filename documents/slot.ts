/** The results of releasing the slot of a node and of setting how much WAL it may keep. */
import type { ReleaseResult } from '../core/release-slot.ts';
import type { StoredNode } from '../core/store/node/nodes.ts';

export interface ReleasedSlotDocument {
  readonly node: string;
  readonly slot: string;
  /** false: the slot did not exist. */
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
  /** Whether runs drop the slot when it exceeds the budget. */
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
