/**
 * Waits until the horizon of a node has reached a position, so that a caller can read its own writes. The wait has a limit and holds
 * no session: each check of the horizon is one read by primary key, in a session that is returned afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatLsn, type Lsn, parseLsn } from '../types/lsn.ts';

/** Lends a session of the store for one question. */
export type WithStore = <T>(ask: (store: Queryable) => Promise<T>) => Promise<T>;

export interface AwaitedPosition {
  readonly node: string;
  readonly lsn: Lsn;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** The longest wait. */
export const MAX_AWAIT_MS = 10_000;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 200;

/**
 * Asks the question after the horizon has reached the position. Throws HORIZON_BEHIND if it has not in time, INTERRUPTED if the signal
 * aborts, and what the question throws.
 */
export async function askAfter<T>(
  withStore: WithStore,
  position: AwaitedPosition,
  question: (store: Queryable) => Promise<T>,
): Promise<T> {
  const end = performance.now() + position.timeoutMs;
  const look = (): Promise<Lsn | null> => withStore((store) => readHorizon(store, position.node));
  let horizon = await look();
  if (!isReached(horizon, position.lsn)) await withStore(question); // a wrong question fails now, not after the wait
  for (let pauseMs = FIRST_PAUSE_MS; !isReached(horizon, position.lsn); pauseMs *= 1.5) {
    const leftMs = end - performance.now();
    if (leftMs <= 0) throw behind(position, horizon);
    await pause(Math.min(pauseMs, LONGEST_PAUSE_MS, leftMs), position.signal);
    horizon = await look();
  }
  return await withStore(question);
}

function isReached(horizon: Lsn | null, lsn: Lsn): boolean {
  return horizon !== null && horizon >= lsn;
}

/** The position of the horizon; null while the node has none. */
async function readHorizon(store: Queryable, node: string): Promise<Lsn | null> {
  const { rows } = await store.query<{ applied_lsn: string }>({
    name: 'pgtimewarp_horizon',
    text: 'SELECT c.applied_lsn::text FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = $1::text',
    values: [node],
  });
  const [row] = rows;
  return row === undefined ? null : parseLsn(row.applied_lsn);
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw new TimewarpError('INTERRUPTED', 'Stopped while waiting for the horizon.', { cause });
  }
}

function behind({ node, lsn, timeoutMs }: AwaitedPosition, horizon: Lsn | null): TimewarpError {
  const known = horizon === null ? 'has not been read yet' : `has been read up to ${formatLsn(horizon)}`;
  const waited = (timeoutMs / 1000).toFixed(1).replace('.0', '');
  return new TimewarpError(
    'HORIZON_BEHIND',
    `Node "${node}" ${known} and did not reach ${formatLsn(lsn)} within ${waited} s.`,
    { facts: { horizon: horizon && formatLsn(horizon), awaited: formatLsn(lsn) } },
  );
}
