/** Checks that a server can have a logical slot. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { SourceFacts } from '../source/slot/source-facts.ts';
import { canDecode } from '../source/slot/wal-level.ts';

/** Throws SOURCE_IN_RECOVERY or WAL_LEVEL. */
export function refuseUnsuitable(facts: SourceFacts): void {
  if (facts.inRecovery)
    throw new TimewarpError('SOURCE_IN_RECOVERY', 'The source is a standby, not the primary.');
  if (!canDecode(facts)) {
    throw new TimewarpError(
      'WAL_LEVEL',
      `The source has wal_level = ${facts.walLevel}; logical decoding needs logical.`,
      { facts: { walLevel: facts.walLevel } },
    );
  }
}
