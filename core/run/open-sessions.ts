/** Opens the two sessions of a run. Connecting counts towards the time of the run. */
import type pg from 'pg';
import { answered, connect } from '../pg/connection.ts';
import { requireNode, type StoredNode } from '../store/node/nodes.ts';
import { LONGEST_MS } from './run-limits.ts';

/** The time limit of a connection attempt. */
const CONNECT_MS = 10_000;
/** A server that does not answer this long after its own limit has gone silent. */
const SILENCE_MS = 1_000;
/** The least time for a connection: a run without time left then ends with DEADLINE by itself. */
const SHORTEST_MS = 1_000;

export interface SessionsOptions {
  readonly node: string;
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly maxSeconds?: number;
}

export interface Sessions {
  readonly source: pg.Client;
  readonly store: pg.Client;
}

/** The time that the run has left; empty without a limit. */
interface TimeLeft {
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
  readonly maxSeconds?: number;
}

/** Opens the session of the store, reads the node, opens that of the source, and closes both after `work`. Throws NODE_UNKNOWN. */
export async function withSessions<T>(
  options: SessionsOptions,
  work: (sessions: Sessions, node: StoredNode, left: { readonly maxSeconds?: number }) => Promise<T>,
): Promise<T> {
  const { node, sourceUrl, storeUrl, maxSeconds } = options;
  const left = timeLeft(maxSeconds);
  const opened: pg.Client[] = [];
  try {
    const store = await connect(storeUrl, { side: 'store', node, ...left() });
    opened.push(store);
    const { statementTimeoutMs } = left();
    const silentMs = statementTimeoutMs && statementTimeoutMs + SILENCE_MS;
    const stored = await answered(store, () => requireNode(store, node), silentMs);
    const source = await connect(sourceUrl, { side: 'source', node, ...left() });
    opened.push(source);
    return await work({ source, store }, stored, left());
  } finally {
    await Promise.allSettled(opened.map((session) => session.end()));
  }
}

function timeLeft(maxSeconds: number | undefined): () => TimeLeft {
  if (maxSeconds === undefined) return () => ({});
  const begun = performance.now();
  return () => {
    const leftMs = Math.ceil(Math.max(SHORTEST_MS, maxSeconds * 1000 - (performance.now() - begun)));
    return {
      connectTimeoutMs: Math.min(leftMs, CONNECT_MS),
      statementTimeoutMs: Math.min(leftMs, LONGEST_MS - SILENCE_MS),
      maxSeconds: leftMs / 1000,
    };
  };
}
