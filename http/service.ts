/** What routes get from the app: sessions of the store, and what the caller may read. */
import type { Context } from 'hono';
import type { Queryable } from '../core/pg/connection.ts';
import type { ReadArchive } from '../core/query/archived.ts';
import type { AsOfRequest, AsOfResult } from '../core/query/as-of.ts';
import { askAfter, type WithStore } from '../core/query/await-horizon.ts';
import type { Lsn } from '../core/types/lsn.ts';
import type { Grants } from './grants.ts';

export interface Service {
  /** Lends a session of the store for one question. Throws TimewarpErrors. */
  readonly withStore: WithStore;
  /** Asks every store, for questions about all nodes. Throws if one of them does. */
  readonly withEveryStore: <T>(ask: (store: Queryable) => Promise<T>) => Promise<T[]>;
  /** Answers the question about one key. */
  readonly askAsOf: (request: AsOfRequest) => Promise<AsOfResult>;
  /** Gets what only the archive has; without it questions that need it are refused. */
  readonly readArchive?: ReadArchive;
  /** Whether a response may be a stream; otherwise it is sent when it is complete. */
  readonly streams: boolean;
  /** The nodes and tables that the caller may read; null: all. */
  readonly grantsOf: (context: Context) => Grants | null;
  /** Asks immediately, or after the node has reached the position that the caller waits for. */
  readonly ask: <T>(waiting: Waiting, question: (store: Queryable) => Promise<T>) => Promise<T>;
}

export interface Waiting {
  readonly context: Context;
  readonly node: string;
  readonly query: { readonly await_lsn?: Lsn | undefined; readonly await_seconds: number };
}

/** The part of the remaining time that is kept for the answer itself. */
const ANSWERING_MS = 5_000;

/** @param timeLeftMs the time until the request is ended from outside */
export function asking(
  withStore: WithStore,
  timeLeftMs: (context: Context) => number = () => Number.POSITIVE_INFINITY,
): Service['ask'] {
  return async ({ context, node, query }, question) => {
    if (query.await_lsn === undefined) return await withStore(question);
    const leftMs = timeLeftMs(context) - ANSWERING_MS;
    const timeoutMs = Math.max(0, Math.min(query.await_seconds * 1000, leftMs));
    const position = { node, lsn: query.await_lsn, timeoutMs, signal: context.req.raw.signal };
    return await askAfter(withStore, position, question);
  };
}
