/** Checks for gaps that have not ended. */
import { formatTableName } from '../../pg/identifiers.ts';
import type { GapOverview } from '../../store/overview.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { type Check, fail, nextRunsReadAgain, ok, warn } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

export function checkGaps(facts: DoctorFacts): Check[] {
  const overview = facts.store.facts?.overview;
  return overview === null || overview === undefined ? [] : checkOpenGaps(overview.openGaps, facts.node);
}

export function checkOpenGaps(openGaps: readonly GapOverview[], node: string): Check[] {
  if (openGaps.length === 0) return [ok('gaps', 'No gap is open.')];
  return openGaps.map((gap) => {
    const [what, target] =
      gap.table === null
        ? ['The node', `--node ${node}`]
        : [formatTableName(gap.table), formatTableName(gap.table)];
    const message = `${what} is unknown from ${formatCommitTime(gap.from.ts)} on: ${gap.reason}.`;
    return gap.isRepaired
      ? warn('gap_open', message, nextRunsReadAgain(node))
      : fail('gap_open', message, `pgtimewarp rebaseline ${target}`);
  });
}
