/**
 * Performs each action with the same functions of core as the command of that name. It waits for a run that is under way. If the
 * work takes longer than the invocation, the scheduled runs continue it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { formatTableName } from '../../core/pg/identifiers.ts';
import { rebaseline } from '../../core/rebaseline.ts';
import { rebaselineNode } from '../../core/rebaseline-node.ts';
import { releaseSlot } from '../../core/release-slot.ts';
import type { DatabaseUrls } from '../../core/setup/databases.ts';
import { skip } from '../../core/skip.ts';
import { requireNode, writeSlotSettings } from '../../core/store/node/nodes.ts';
import { requireSchema } from '../../core/store/schema/migrate.ts';
import {
  doneNodeDocument,
  doneTableDocument,
  type NodeRepairDocument,
  pendingNodeDocument,
  pendingTableDocument,
  skippedDocument,
  type TableRepairDocument,
  tableRepairsDocument,
} from '../../documents/repair.ts';
import {
  releasedSlotDocument,
  type SlotSettingsDocument,
  slotSettingsDocument,
} from '../../documents/slot.ts';
import type { MaintenanceEvent } from './event.ts';

export interface Surroundings {
  readonly urls: DatabaseUrls;
  readonly version: string;
  /** Aborts when the time of the invocation is nearly over. */
  readonly signal: AbortSignal;
  /** Lends a session of the store. */
  readonly withStore: <T>(work: (store: pg.Client) => Promise<T>) => Promise<T>;
}

const PAUSE_MS = 500;

/** @returns a JSON document. Throws TimewarpErrors. Work done before the error stays, and the event can be repeated. */
export async function act(event: MaintenanceEvent, around: Surroundings): Promise<object> {
  const { urls, signal } = around;
  switch (event.action) {
    case 'rebaseline': {
      if (event.tables === undefined) return await readNodeAnew(around);
      const tables: TableRepairDocument[] = [];
      for (const table of event.tables) tables.push(await readTableAgain(table, around));
      return tableRepairsDocument(event.node, tables);
    }
    case 'skip': {
      const { lsn } = event;
      return skippedDocument(await whenIdle(signal, () => skip({ ...urls, lsn })));
    }
    case 'release-slot': {
      return releasedSlotDocument(await whenIdle(signal, () => releaseSlot(urls)));
    }
    case 'slot-budget':
      return await setBudget(event, around);
  }
}

async function readTableAgain(
  table: Parameters<typeof formatTableName>[0],
  { urls, signal }: Surroundings,
): Promise<TableRepairDocument> {
  try {
    return doneTableDocument(await rebaseline({ ...urls, table, signal }));
  } catch (error) {
    if (!isInterrupted(error)) throw error;
    return pendingTableDocument(formatTableName(table));
  }
}

async function readNodeAnew({ urls, version, signal, withStore }: Surroundings): Promise<NodeRepairDocument> {
  try {
    return doneNodeDocument(await whenIdle(signal, () => rebaselineNode({ ...urls, version, signal })));
  } catch (error) {
    if (!isInterrupted(error)) throw error;
    const node = await withStore((store) => requireNode(store, urls.node));
    if (node.status !== 'active') throw error; // interrupted before the new slot existed
    return pendingNodeDocument(node.node);
  }
}

async function setBudget(
  { node: name, budget, automatic }: Extract<MaintenanceEvent, { action: 'slot-budget' }>,
  { withStore }: Surroundings,
): Promise<SlotSettingsDocument> {
  return await withStore(async (store) => {
    await requireSchema(store);
    await requireNode(store, name);
    await writeSlotSettings(store, name, { budgetBytes: budget, automatic });
    return slotSettingsDocument(await requireNode(store, name));
  });
}

/** Waits for a run that is under way: the schedule starts runs all the time. */
async function whenIdle<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isBusy = error instanceof TimewarpError && error.code === 'SLOT_BUSY';
      if (!isBusy || signal.aborted) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

function isInterrupted(error: unknown): boolean {
  return error instanceof TimewarpError && error.code === 'INTERRUPTED';
}
