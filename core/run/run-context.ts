/** What the steps of one run share, from its claim to its end. */
import type pg from 'pg';
import type { Claim } from '../store/node/claim.ts';
import type { StoredNode } from '../store/node/nodes.ts';
import type { Lsn } from '../types/lsn.ts';
import type { RunLimits } from './run-limits.ts';

export interface ApplyCounts {
  transactions: number;
  changes: number;
}

export interface RunContext {
  readonly node: StoredNode;
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly claim: Claim;
  readonly limits: RunLimits;
  /** What the run has stored so far. A failed run reports it, too. */
  readonly counts: ApplyCounts;
  /** Relations of which this run has found a silent change. */
  readonly found: Set<number>;
  /** Messages about the end of WAL that the stream has delivered, with the positions of their commits. */
  readonly endMarks: Map<string, Lsn>;
}
