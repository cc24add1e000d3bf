/** The points in time that a question names: parsed once, at the edge, and kept together with what was typed. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type CommitTime, formatCommitTime, tryParseCommitTime } from '../types/commit-time.ts';
import { formatLsn, type Lsn, tryParseLsn } from '../types/lsn.ts';

export type Instant =
  | { readonly kind: 'time'; readonly time: CommitTime; readonly requested: string }
  | { readonly kind: 'lsn'; readonly lsn: Lsn; readonly requested: string }
  /** Whatever the store knows last. */
  | { readonly kind: 'now' };

export const NOW: Instant = { kind: 'now' };

const FOUR_DIGIT_YEAR = /^\d{4}-/; // RFC 3339; the parser of server output takes longer ones

/** Cut to microseconds it would be another instant than the one that was asked for. */
const TOO_FINE = /\.\d{7}/;

/** Reads an RFC 3339 time with an offset or an LSN; nothing given is now. Throws BAD_TIME. */
export function parseInstant(text: string | null | undefined): Instant {
  if (text === null || text === undefined) return NOW;
  const lsn = tryParseLsn(text);
  if (lsn !== null) return { kind: 'lsn', lsn, requested: text };
  const time = FOUR_DIGIT_YEAR.test(text) ? tryParseCommitTime(text) : null;
  if (time !== null) return { kind: 'time', time, requested: text };
  const why = TOO_FINE.test(text) ? ' (six decimals at most: commits have microseconds)' : '';
  throw new TimewarpError('BAD_TIME', `Not a point in time: ${text.slice(0, 60)}${why}`);
}

/** The instant as parameters of the store's functions: text for timestamptz, pg_lsn and the words that were used. */
export function instantParameters(
  instant: Instant,
): [ts: string | null, lsn: string | null, requested: string | null] {
  switch (instant.kind) {
    case 'time':
      return [formatCommitTime(instant.time), null, instant.requested];
    case 'lsn':
      return [null, formatLsn(instant.lsn), instant.requested];
    case 'now':
      return [null, null, null];
  }
}
