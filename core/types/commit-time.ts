/**
 * The instant of a commit in microseconds since 1970-01-01T00:00:00Z, as an opaque bigint: PostgreSQL keeps
 * microseconds, which a JavaScript `Date` would cut.
 */
export type CommitTime = bigint & { readonly __brand: 'CommitTime' };

const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n; // 2000-01-01T00:00:00Z, the zero of PostgreSQL's timestamps
/** 0001-01-01T00:00:00Z, and the last microsecond that PostgreSQL's type can hold. */
export const EARLIEST = -62_135_596_800_000_000n as CommitTime;
const LATEST = 9_224_318_015_999_999_999n as CommitTime;
const TEXT =
  /^(\d{4,6})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|z|[+-]\d\d(?::?\d\d)?(?::\d\d)?)$/;

/**
 * Parses an RFC 3339 instant (`2026-01-01T00:00:00.000001Z`, up to six decimals, with an offset) or the form that
 * PostgreSQL prints with DateStyle ISO. Null for everything else, also for dates that do not exist.
 */
export function tryParseCommitTime(text: string): CommitTime | null {
  const m = TEXT.exec(text);
  if (m === null) return null;
  const [year, month, day, hour, minute, second] = [m[1], m[2], m[3], m[4], m[5], m[6]].map(toInt) as Six;
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return null;
  if (hour > 23 || minute > 59 || second > 60) return null; // RFC 3339 section 5.7 allows a leap second
  const offset = offsetSeconds(m[8]!);
  if (offset === null) return null;
  const seconds = daysFromCivil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
  return (BigInt(seconds) * 1_000_000n + BigInt((m[7] ?? '').padEnd(6, '0'))) as CommitTime;
}

/** As {@link tryParseCommitTime}, for text that a server printed; throws RangeError when it is not an instant. */
export function parseCommitTime(text: string): CommitTime {
  const time = tryParseCommitTime(text);
  if (time === null) throw new RangeError(`not an instant: ${text.slice(0, 60)}`);
  return time;
}

/**
 * From PostgreSQL's binary form: microseconds since 2000-01-01, as in the Begin and Commit messages of pgoutput. A replication
 * origin can set any time, even infinity. A time outside our range becomes its nearest limit.
 */
export function commitTimeFromPostgresMicros(micros: bigint): CommitTime {
  return clampCommitTime((micros + POSTGRES_EPOCH_MICROS) as CommitTime);
}

/** As {@link parseCommitTime}, for commit timestamps, which can be infinite or before the common era. */
export function parseAnyCommitTime(text: string): CommitTime {
  if (text === 'infinity') return LATEST;
  if (text === '-infinity' || text.endsWith(' BC')) return EARLIEST;
  return clampCommitTime(parseCommitTime(text));
}

function clampCommitTime(time: CommitTime): CommitTime {
  return time < EARLIEST ? EARLIEST : time > LATEST ? LATEST : time;
}

/** Microseconds since 2000-01-01, as in PostgreSQL's binary form of timestamptz. */
export function postgresMicros(time: CommitTime): bigint {
  return time - POSTGRES_EPOCH_MICROS;
}

/** RFC 3339 in UTC with exactly six decimals. */
export function formatCommitTime(time: CommitTime): string {
  const micros = ((time % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = Number((time - micros) / 1_000_000n);
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  const [year, month, day] = civilFromDays(days);
  const pad = (n: number, width = 2): string => String(n).padStart(width, '0');
  const clock = `${pad(Math.floor(rest / 3600))}:${pad(Math.floor((rest % 3600) / 60))}:${pad(rest % 60)}`;
  return `${pad(year, 4)}-${pad(month)}-${pad(day)}T${clock}.${micros.toString().padStart(6, '0')}Z`;
}

/** The later of two instants. */
export function maxTime(a: CommitTime, b: CommitTime): CommitTime {
  return a > b ? a : b;
}

/** The instant one microsecond later: the smallest step a commit time can make. */
export function nextMicrosecond(time: CommitTime): CommitTime {
  return (time + 1n) as CommitTime;
}

type Six = [number, number, number, number, number, number];

function toInt(text: string | undefined): number {
  return Number.parseInt(text ?? '', 10);
}

function offsetSeconds(text: string): number | null {
  if (text === 'Z' || text === 'z') return 0;
  const digits = text.slice(1).replaceAll(':', '');
  const hours = toInt(digits.slice(0, 2));
  const minutes = digits.length >= 4 ? toInt(digits.slice(2, 4)) : 0;
  const seconds = digits.length >= 6 ? toInt(digits.slice(4, 6)) : 0;
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  return (text.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar, counting eras of 400 years from March. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear -
    719_468
  );
}

function civilFromDays(days: number): [number, number, number] {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return [
    yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  ];
}

/** Whole seconds from `from` to `to`; 0 when `to` is not later. */
export function secondsBetween(from: CommitTime, to: CommitTime): bigint {
  return to > from ? (to - from) / 1_000_000n : 0n;
}
