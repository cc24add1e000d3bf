/** Reports commit timestamps that cannot be right. Stored times stay in order anyway (see CommitClock). */
import type { Queryable } from '../../pg/connection.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim } from './claim.ts';

export interface Skew {
  /** Commits whose timestamp lay ahead of the source's own clock. */
  readonly ahead: number;
  /** Commits whose timestamp lay far behind the commit before them. */
  readonly behind: number;
}

export async function reportSkew(store: Queryable, claim: Claim, { ahead, behind }: Skew): Promise<void> {
  if (ahead === 0 && behind === 0) return;
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'warn',
    code: 'CLOCK_SKEW',
    message:
      'Commit timestamps jumped: the clock of the source was set, or a replication origin sets them. Answers stay in the order of the commits.',
    meta: { ahead, behind },
  });
}
