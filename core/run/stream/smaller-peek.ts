/**
 * Makes the peek smaller when the source cannot answer it because of its size or of a row in it. A transaction that fails alone is the
 * one at which the node will be blocked.
 */
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { publicationName, publicationOf } from '../../source/publication/publication.ts';
import { advanceSlot } from '../../source/slot/advance.ts';
import { isUnprintable, locateUnreadable } from '../../source/slot/locate-unreadable.ts';
import { MAX_FAILURES, type Suspect } from '../../store/node/failures.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';
import type { Lsn } from '../../types/lsn.ts';
import { messagePrefixes } from '../../types/plugin.ts';
import { readRelationsNow, streamNames } from '../catalog/tables-of-run.ts';
import type { RunContext } from '../run-context.ts';
import type { PeekSize } from './peek-size.ts';

/** SQLSTATE configuration_limit_exceeded: temp_file_limit of the source is less than the answer to a peek. */
const TEMP_FILE_LIMIT = '53400';

export interface FailedPeek {
  readonly relations: readonly TrackedRelation[];
  readonly upto: Lsn;
  readonly maxRows: number;
  readonly onFailure: (suspect: Suspect) => void;
}

/** @returns whether the run continues with a smaller `size` */
export async function askForLess(
  run: RunContext,
  error: unknown,
  { size, peek }: { readonly size: PeekSize; readonly peek: FailedPeek },
): Promise<boolean> {
  if (!(error instanceof TimewarpError) || error.facts.side !== 'source') return false;
  if (error.facts.sqlstate === TEMP_FILE_LIMIT) return size.halve(peek.maxRows);
  if (!isUnprintable(error.facts.sqlstate)) return false;
  const { source, node, claim, limits } = run;
  // stored and skipped transactions are not printed again
  await limits.onSource(() => advanceSlot(source, node.slotName, claim.horizon.lsn));
  if (size.shrink(peek.maxRows)) return true;
  // this takes as long as many such peeks, so it is done only when the position is needed
  if (claim.failures + 1 >= MAX_FAILURES) await accuse(run, peek);
  return false;
}

async function accuse(
  { source, node, claim, limits }: RunContext,
  { relations, upto, maxRows, onFailure }: FailedPeek,
): Promise<void> {
  const located = await limits.onSource(async () => {
    const tables = streamNames(await readRelationsNow(source, relations, publicationOf(node)));
    return locateUnreadable(source, {
      ...{ plugin: node.plugin, slotName: node.slotName, from: claim.horizon.lsn, upto, maxRows, tables },
      numbersAsText: node.numbersAsText,
      prefixes: messagePrefixes(node.contextPrefixes),
      publication: publicationName(node.node),
    });
  });
  if (located !== null) onFailure({ ...located, relationIds: null, raw: [] });
}
