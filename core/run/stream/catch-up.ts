/** Peeks, stores and advances until everything up to the end of WAL as of the start of the run is stored. */
import type { EndOfWal } from '../../source/slot/end-of-wal.ts';
import type { Suspect } from '../../store/node/failures.ts';
import { refreshRelations, type TrackedRelation } from '../../store/tables/read.ts';
import type { Lsn } from '../../types/lsn.ts';
import { advance } from '../advance.ts';
import type { SeenRelations } from '../catalog/tables-of-run.ts';
import type { ApplyCounts, RunContext } from '../run-context.ts';
import { reachedEnd } from './end-of-stream.ts';
import { peekAndApply } from './peek-and-apply.ts';
import { PeekSize } from './peek-size.ts';
import { askForLess } from './smaller-peek.ts';

export interface CatchUpOptions {
  readonly relations: readonly TrackedRelation[];
  /** The same relations as they were at the beginning of the run. */
  readonly before: SeenRelations;
  readonly end: EndOfWal;
  /** Stop at the first commit after this many rows of the stream. */
  readonly maxChanges: number | undefined;
  readonly onProgress: (progress: PollProgress) => void;
  readonly onFailure: (suspect: Suspect) => void;
}

export interface PollProgress extends ApplyCounts {
  readonly appliedLsn: Lsn;
  readonly uptoLsn: Lsn;
}

/** @returns whether the stream has delivered everything up to `end`; false also when `maxChanges` came first */
export async function catchUp(
  run: RunContext,
  { relations, before, end, maxChanges, onProgress, onFailure }: CatchUpOptions,
): Promise<boolean> {
  const { claim } = run;
  let seen: SeenRelations | null = {
    ...before,
    relations: before.relations.filter(({ relation }) => relation.state.kind !== 'starting'),
  };
  let followed = relations.filter(({ state }) => state.kind !== 'starting');
  if (followed.length === 0) return end.complete;
  let budget = maxChanges ?? Number.POSITIVE_INFINITY;
  let looks = 0;
  const size = new PeekSize(claim.failures > 0);
  for (;;) {
    run.limits.checkStop();
    const maxRows = Math.min(size.rows, budget);
    const peek = { relations: followed, upto: end.upto, maxRows, onFailure };
    try {
      const counted = await peekAndApply(run, {
        ...peek,
        seen,
        onProgress: (counts) => onProgress({ ...counts, appliedLsn: claim.horizon.lsn, uptoLsn: end.upto }),
      });
      const reached = counted.rows < maxRows ? await reachedEnd(run, end, looks++) : null;
      if (reached !== null) return reached;
      budget -= counted.rows;
      size.learn(counted.rows, counted.bytes);
      await advance(run);
      if (budget <= 0) return false;
    } catch (error) {
      if (!(await askForLess(run, error, { size, peek }))) throw error;
    }
    seen = null;
    followed = await refreshRelations(run.store, claim.nodeId, followed);
  }
}
