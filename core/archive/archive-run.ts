/**
 * A run of the archive: finishes the units that are under way, then plans and archives new ones. It may be killed at any statement:
 * the state of a unit says what comes next, and every step can be done again. Nothing is removed from the store.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { throwIfAborted } from '../setup/cancel-on-abort.ts';
import { withStoreOnly } from '../setup/databases.ts';
import { claimNode, releaseClaim } from '../store/node/claim.ts';
import { requireNode } from '../store/node/nodes.ts';
import { requireWritable } from '../store/schema/migrate.ts';
import type { ArchiveTarget } from './archive-target.ts';
import { commitUnit } from './commit-unit.ts';
import { planUnits } from './plan-unit.ts';
import { type ArchiveUnit, markCommitted, readFiles, readUnits } from './units.ts';
import { verifyUnit } from './verify-unit.ts';
import type { FileLimits } from './write-parquet.ts';
import { writeUnit } from './write-unit.ts';

export interface ArchiveRunOptions {
  readonly storeUrl: string;
  readonly node: string;
  readonly target: ArchiveTarget;
  readonly signal?: AbortSignal;
  readonly limits?: FileLimits;
  /** Called when a unit has reached a state. */
  readonly onProgress?: (unit: ArchiveUnit) => void;
}

export interface ArchiveRunResult {
  /** busy: another run of the archive, or runs of the node all the time */
  readonly outcome: 'done' | 'busy';
  readonly units: number;
  readonly rows: bigint;
}

/** First key of the advisory lock of archive runs ("pgta" in ASCII); the second is a hash of the node. */
const LOCK_CLASS = 0x70677461;
const LEASE_SECONDS = 60;
const CLAIM_TRIES = 40;
const CLAIM_PAUSE_MS = 500;

/**
 * Archives all that is due. Throws ARCHIVE_UNREACHABLE, ARCHIVE_FOREIGN, ARCHIVE_DAMAGED, INTERRUPTED, and what sessions throw.
 * The lock only saves work: two runs at once would archive the same rows once.
 */
export async function archiveRun({ storeUrl, ...run }: ArchiveRunOptions): Promise<ArchiveRunResult> {
  return withStoreOnly({ storeUrl, node: run.node }, (store) => archiveRunWith(store, run));
}

/** As {@link archiveRun}, with a session that goes on afterwards. */
export async function archiveRunWith(
  store: pg.Client,
  run: Omit<ArchiveRunOptions, 'storeUrl'>,
): Promise<ArchiveRunResult> {
  await requireWritable(store);
  await requireNode(store, run.node);
  if (!(await tryLock(store, run.node))) return { outcome: 'busy', units: 0, rows: 0n };
  try {
    return await archiveAll(store, run);
  } finally {
    await unlock(store, run.node).catch(() => {}); // it ends with the session
  }
}

async function archiveAll(
  store: pg.Client,
  run: Omit<ArchiveRunOptions, 'storeUrl'>,
): Promise<ArchiveRunResult> {
  let [units, rows] = [0, 0n];
  for (;;) {
    for (const unit of await readUnits(store, run.node)) {
      if (unit.state === 'verified') continue;
      rows += await finish(store, run, unit);
      units += 1;
    }
    const planned = await plan(store, run);
    if (planned === null) return { outcome: 'busy', units, rows };
    if (planned === 0) return { outcome: 'done', units, rows };
  }
}

/** Brings a unit from its state to verified. @returns its rows */
export async function finish(
  store: pg.Client,
  { target, signal, limits, onProgress }: Omit<ArchiveRunOptions, 'storeUrl' | 'node'>,
  begun: ArchiveUnit,
): Promise<bigint> {
  let unit = begun;
  for (;;) {
    throwIfAborted(signal);
    switch (unit.state) {
      case 'planned':
        await writeUnit(store, target, { unit, limits, signal });
        break;
      case 'written':
        await markCommitted(store, unit, await commitUnit(target, unit, await readFiles(store, unit)));
        break;
      case 'committed':
        await verifyUnit(store, target, { unit, signal });
        break;
      case 'verified':
        return unit.checksum!.rows;
    }
    const all = await readUnits(store, unit.nodeId, unit.table);
    const now = all.find((each) => each.relationId === unit.relationId && each.unit === unit.unit);
    if (now === undefined) return 0n; // the history was purged meanwhile
    unit = now;
    onProgress?.(unit);
  }
}

async function tryLock(store: pg.Client, node: string): Promise<boolean> {
  const { rows } = await store.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_lock($1::int, hashtext($2::text)) AS locked',
    [LOCK_CLASS, node],
  );
  return rows[0]!.locked;
}

async function unlock(store: pg.Client, node: string): Promise<void> {
  await store.query('SELECT pg_advisory_unlock($1::int, hashtext($2::text))', [LOCK_CLASS, node]);
}

/** @returns null: the node was claimed all the time */
async function plan(
  store: pg.Client,
  { node, signal }: Pick<ArchiveRunOptions, 'node' | 'signal'>,
): Promise<number | null> {
  for (let attempt = 0; attempt < CLAIM_TRIES; attempt++) {
    throwIfAborted(signal);
    const claim = await claimNode(store, node, LEASE_SECONDS);
    if (claim !== null) {
      try {
        return await planUnits(store, claim);
      } finally {
        await releaseClaim(store, claim).catch(() => {});
      }
    }
    await sleep(CLAIM_PAUSE_MS);
  }
  return null;
}
