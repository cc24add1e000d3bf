/** A commit time in local time, to the microsecond: `Date` gives only the offset. */
import { formatCommitTime, tryParseCommitTime } from '../../core/types/commit-time.ts';

const MICROSECONDS_PER_MINUTE = 60_000_000n;

/**
 * `2026-01-31T10:41:00.000001+01:00` for `2026-01-31T09:41:00.000001Z`; null if local time is UTC, or if the text is not a
 * time in the calendar.
 */
export function localTime(utc: string): string | null {
  const time = tryParseCommitTime(utc);
  if (time === null) return null;
  const minutes = -new Date(utc).getTimezoneOffset(); // NaN beyond the years that Date knows
  if (!Number.isInteger(minutes) || minutes === 0) return null;
  const shifted = (time + BigInt(minutes) * MICROSECONDS_PER_MINUTE) as typeof time;
  return formatCommitTime(shifted).replace('Z', offsetText(minutes));
}

/** The time in UTC and, if it differs, in local time, one per line. */
export function timeLines(utc: string): string[] {
  const local = localTime(utc);
  return local === null ? [utc] : [utc, local];
}

/** The text with local time in parentheses after every UTC time. */
export function withLocalTimes(text: string): string {
  return text.replace(/\d{4,6}-\d\d-\d\dT[\d:]+(?:\.\d+)?Z/g, (utc) => {
    const local = localTime(utc);
    return local === null ? utc : `${utc} (${local})`;
  });
}

/** An offset from UTC as RFC 3339 writes it: `+01:00`, or `Z`. @param minutes east of UTC */
export function offsetText(minutes: number): string {
  if (minutes === 0) return 'Z';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`;
}
