/**
 * Removes nodes and tables that a deployment no longer wants. It tries every node, even if others fail. If a slot cannot be dropped,
 * the removal fails, with the SQL that drops it: a forgotten slot fills the disk of its source.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { throwIfAborted } from '../../core/setup/cancel-on-abort.ts';
import { deinit } from '../../core/setup/deinit.ts';
import { forgetSource, leftOnSource } from '../../core/setup/forget-source.ts';
import { readNode, SETUP_UNFINISHED, type StoredNode } from '../../core/store/node/nodes.ts';
import { askRemoval } from '../../core/store/node/removals.ts';
import { expectedSchemaVersion, migrate, schemaVersion } from '../../core/store/schema/migrate.ts';
import { untrack } from '../../core/track.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { errorFields } from '../shared/observability.ts';
import { logger } from './logger.ts';
import { credentials, urlsOf, withStore } from './node-access.ts';
import { trueName, type WantedNode } from './properties.ts';

export interface TakeDownOptions {
  /** Nodes whose sources are gone for good: if the source does not answer, they are removed from the store alone. */
  readonly forgotten: readonly string[];
  /** After its abort no new work begins. */
  readonly signal: AbortSignal;
  /** After its abort no work is waited for. */
  readonly deadline: AbortSignal;
}

/** How many nodes are removed at the same time: a source that does not answer costs ten seconds. */
const AT_ONCE = 10;
/** The pause between two checks whether a run has ended. */
const PAUSE_MS = 1000;

interface Failure {
  readonly node: string;
  readonly error: unknown;
  /** SQL that removes the rest on the source; empty: the node stays, and the failure concerns a table. */
  readonly left: readonly string[];
}

/** Returns after all removals have ended. Throws the first failure; its remedy has the SQL for all sources. */
export async function takeDown(
  before: readonly WantedNode[],
  wanted: readonly WantedNode[],
  options: TakeDownOptions,
): Promise<void> {
  const failures: Failure[] = [];
  const waiting = [...before];
  const work = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      const stays = wanted.find((each) => each.node === node.node);
      if (stays === undefined) await removeOne(node, options, failures);
      else await untrackUnwanted(node, stays, options, failures);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const removals = failures.filter(({ left }) => left.length > 0);
  const [first = failures[0]] = removals;
  if (first === undefined) return;
  if (removals.length === 0) throw first.error;
  const fields = removals.map(({ error }) => errorFields(error));
  const which = removals.map(({ node }, index) => `"${node}" (${fields[index]!.code})`).join(', ');
  throw new TimewarpError(
    first.error instanceof TimewarpError ? first.error.code : 'INTERNAL',
    `Not removed: ${which}. A slot that remains keeps WAL until the disk of its source is full.`,
    {
      cause: first.error,
      remedy: `On the source of ${removals.map(({ node, left }) => `"${node}" run: ${left.join(' ')}`).join(' On that of ')}`,
    },
  );
}

async function removeOne(node: WantedNode, options: TakeDownOptions, failures: Failure[]): Promise<void> {
  let stored: StoredNode | null = null;
  const begunMs = performance.now();
  try {
    throwIfAborted(options.signal);
    await stopSettingUp(node.node, begunMs);
    stored = await storedNode(node.node);
    if (stored !== null) await inTime(options.deadline, removeNode(node, begunMs, options));
    logger.info('node is removed', { node: node.node });
  } catch (error) {
    const left = leftOnSource(stored ?? asNamed(node));
    logger.error('node is not removed', { node: node.node, left, ...errorFields(error) });
    failures.push({ node: node.node, error, left });
  }
}

// biome-ignore lint/complexity/useMaxParams: the node before and after, and what all removals share
async function untrackUnwanted(
  before: WantedNode,
  stays: WantedNode,
  { signal, deadline }: TakeDownOptions,
  failures: Failure[],
): Promise<void> {
  const names = new Set(stays.tables.map(trueName));
  for (const table of before.tables.filter((each) => !names.has(trueName(each)))) {
    try {
      throwIfAborted(signal);
      await inTime(deadline, untrackTable(stays, table.name, deadline));
    } catch (error) {
      failures.push({ node: before.node, error, left: [] });
      return;
    }
  }
}

/** Does nothing if the table is not tracked. */
export async function untrackTable(node: WantedNode, name: string, over?: AbortSignal): Promise<void> {
  const urls = await urlsOf(node);
  const settings = { ...urls, table: parseTableName(name), purge: false };
  await untrack(over === undefined ? settings : { ...settings, over }).catch((error: unknown) => {
    const gone = ['NODE_UNKNOWN', 'TABLE_NOT_TRACKED'];
    if (!(error instanceof TimewarpError) || !gone.includes(error.code)) throw error;
  });
  logger.info('table is no longer tracked', { node: node.node, table: name });
}

/**
 * Requests the removal of the node in the store. A cancelled creation may still be at work, perhaps without a trace in the store yet,
 * because CloudFormation requests a deletion even without an answer to the creation. The creation finds the request and ends.
 */
function stopSettingUp(node: string, begunMs: number): Promise<void> {
  return withStore(node, async (store) => {
    const version = await schemaVersion(store);
    if (version === 0) await migrate(store); // the request needs the schema
    if (version === 0 || version === (await expectedSchemaVersion())) await askRemoval(store, node, begunMs);
  });
}

/** The node; null if its source has nothing to remove. */
function storedNode(node: string): Promise<StoredNode | null> {
  return withStore(node, async (store) => {
    if ((await schemaVersion(store)) === 0) return null;
    const found = await readNode(store, node);
    const removed = found?.status === 'removed' && found.statusReason !== SETUP_UNFINISHED;
    return removed ? null : found;
  });
}

/** After the deadline it does nothing more: the next request may already set up the node again. */
async function removeNode(
  node: WantedNode,
  begunMs: number,
  { forgotten, signal, deadline }: TakeDownOptions,
): Promise<void> {
  try {
    const urls = await urlsOf(node);
    await afterTheRun(() => deinit({ ...urls, purge: false, begunMs, over: deadline }), signal);
  } catch (error) {
    if (error instanceof TimewarpError && error.code === 'NODE_UNKNOWN') return; // its creation has removed it meanwhile
    if (!forgotten.includes(node.node) || deadline.aborted) throw error;
    const { storeSecretArn } = readConfiguration(['storeSecretArn']);
    const urls = {
      sourceUrl: await credentials.url(node.sourceSecretArn).catch(() => null),
      storeUrl: await credentials.url(storeSecretArn),
    };
    const forget = { ...urls, node: node.node, purge: false, begunMs, over: deadline };
    const { leftOnSource: left } = await afterTheRun(() => forgetSource(forget), signal);
    logger.warn('source is forgotten', { node: node.node, left });
  }
}

/** Rejects when the signal aborts, so that time remains to report what must be done by hand. */
async function inTime(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const ended = new AbortController();
  const timeUp = async (): Promise<void> => {
    if (!signal.aborted) await once(signal, 'abort', { signal: ended.signal });
    throw new TimewarpError('DEADLINE', 'The source does not answer in time.');
  };
  try {
    await Promise.race([work, timeUp()]);
  } finally {
    ended.abort();
  }
}

/** Waits for the end of a run of the schedule that is under way. */
async function afterTheRun<T>(remove: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await remove();
    } catch (error) {
      const busy = error instanceof TimewarpError && error.code === 'SLOT_BUSY';
      if (!busy || signal.aborted) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** The names that the node was made with, if the store does not answer. */
function asNamed({ node, slotName, plugin }: WantedNode): Pick<StoredNode, 'node' | 'slotName' | 'plugin'> {
  return { node, slotName: slotName ?? `pgtimewarp_${node}`, plugin: plugin ?? 'wal2json' };
}
