/** The instants of a question. They are parsed once, where input arrives, and keep the text of the user. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import {
  type CommitTime,
  EARLIEST,
  formatCommitTime,
  maxTime,
  tryParseCommitTime,
} from '../types/commit-time.ts';
import { formatLsn, LSN_TEXT, type Lsn, tryParseLsn } from '../types/lsn.ts';

export type Instant =
  | { readonly kind: 'time'; readonly time: CommitTime; readonly requested: string }
  | { readonly kind: 'lsn'; readonly lsn: Lsn; readonly requested: string }
  /** The newest state in the store. */
  | { readonly kind: 'now' };

export const NOW: Instant = { kind: 'now' };

const FOUR_DIGIT_YEAR = /^\d{4}-/; // RFC 3339; the parser of server output takes longer ones

/** More than six decimals: cutting them to microseconds would give another instant than the requested one. */
const TOO_FINE = /\.\d{7}/;

const LEAP_DAY = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29';
const OTHER_DAY =
  '\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))';
const CLOCK = '(?:[01]\\d|2[0-3]):[0-5]\\d:(?:[0-5]\\d|60)(?:\\.\\d{1,6})?';
const OFFSET = '(?:[Zz]|[+-](?:[01]\\d|2[0-3])(?::?[0-5]\\d(?::[0-5]\\d)?)?)';

/** Exactly the form that {@link parseInstant} accepts, for the OpenAPI document, from which tools generate requests. */
export const INSTANT_TEXT = new RegExp(
  `${LSN_TEXT.source}|^(?:${LEAP_DAY}|${OTHER_DAY})[Tt ]${CLOCK}${OFFSET}$`,
);

/** Parses an RFC 3339 time with an offset, or an LSN; without text it returns now. Throws BAD_TIME. */
export function parseInstant(text: string | null | undefined): Instant {
  if (text === null || text === undefined) return NOW;
  const lsn = tryParseLsn(text);
  if (lsn !== null) return { kind: 'lsn', lsn, requested: text };
  const time = FOUR_DIGIT_YEAR.test(text) ? tryParseCommitTime(text) : null;
  if (time !== null) return { kind: 'time', time, requested: text };
  const why = TOO_FINE.test(text) ? ' (six decimals at most: commits have microseconds)' : '';
  throw new TimewarpError('BAD_TIME', `Not a point in time: ${text.slice(0, 60)}${why}`);
}

/** The instant as parameters for functions of the store: texts for timestamptz and pg_lsn, and the text of the user. */
export function instantParameters(
  instant: Instant,
): [ts: string | null, lsn: string | null, requested: string | null] {
  switch (instant.kind) {
    case 'time':
      // RFC 3339 has a year 0000, which PostgreSQL's types lack; no commit is that old anyway
      return [formatCommitTime(maxTime(instant.time, EARLIEST)), null, instant.requested];
    case 'lsn':
      return [null, formatLsn(instant.lsn), instant.requested];
    case 'now':
      return [null, null, null];
  }
}
