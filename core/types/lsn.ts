/**
 * A log sequence number: a byte position in the write-ahead log, kept as an opaque bigint so that it cannot be mixed
 * up with other numbers and never loses bits (PostgreSQL manual, "pg_lsn Type").
 */
export type Lsn = bigint & { readonly __brand: 'Lsn' };

/** The form that {@link tryParseLsn} accepts. */
export const LSN_TEXT = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** The position before everything: PostgreSQL's InvalidXLogRecPtr. */
export const LSN_ZERO = 0n as Lsn;

/** Parses `16/B374D848`. Throws RangeError for any other text: use {@link tryParseLsn} for input of users. */
export function parseLsn(text: string): Lsn {
  const lsn = tryParseLsn(text);
  if (lsn === null) throw new RangeError(`not an LSN: ${text.slice(0, 40)}`);
  return lsn;
}

/** Parses `16/B374D848`; null if the text is not an LSN. */
export function tryParseLsn(text: string): Lsn | null {
  const match = LSN_TEXT.exec(text);
  if (match === null) return null;
  return BigInt(`0x${match[1]}${match[2]!.padStart(8, '0')}`) as Lsn;
}

/** The text form that PostgreSQL prints: two hexadecimal numbers without leading zeros. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

/** The later of two positions. */
export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}

/** Bytes of WAL from `from` to `to`; 0 when `to` is not ahead. */
export function lsnDistanceBytes(from: Lsn, to: Lsn): bigint {
  return to > from ? to - from : 0n;
}
