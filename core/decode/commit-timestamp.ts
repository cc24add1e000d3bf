/**
 * Parses the commit timestamps of a stream. Consecutive commits mostly have the same second, so only the microseconds are parsed
 * each time.
 */
import { type CommitTime, parseAnyCommitTime } from '../types/commit-time.ts';

/** `2026-01-01 00:00:00` */
const SECONDS_LENGTH = 19;
const MAX_LENGTH = SECONDS_LENGTH + '.000001+00'.length;
const ZERO = 0x30;

export class CommitTimestampParser {
  #seconds = '';
  #time = 0n;

  /** Text as PostgreSQL prints it with DateStyle ISO; throws RangeError when it is not an instant. */
  parse(text: string): CommitTime {
    if (text.length > MAX_LENGTH || !text.endsWith('+00')) return parseAnyCommitTime(text);
    const micros = fractionMicros(text, text.length - 3);
    if (micros === -1) return parseAnyCommitTime(text);
    const seconds = text.slice(0, SECONDS_LENGTH);
    if (seconds !== this.#seconds) {
      this.#time = parseAnyCommitTime(`${seconds}+00`);
      this.#seconds = seconds;
    }
    return (this.#time + BigInt(micros)) as CommitTime;
  }
}

/** Microseconds of the decimals between the seconds and `end`; -1 if the text there is not decimals. */
function fractionMicros(text: string, end: number): number {
  if (end === SECONDS_LENGTH) return 0;
  if (text.charAt(SECONDS_LENGTH) !== '.') return -1;
  let micros = 0;
  for (let at = SECONDS_LENGTH + 1; at <= SECONDS_LENGTH + 6; at++) {
    const digit = at < end ? text.charCodeAt(at) - ZERO : 0;
    if (digit < 0 || digit > 9) return -1;
    micros = micros * 10 + digit;
  }
  return micros;
}
