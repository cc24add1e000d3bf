/** Sizes as users type them: a whole number with kB, MB, GB or TB, in powers of 1024 as in PostgreSQL. */
const UNITS: Readonly<Record<string, bigint>> = {
  kB: 1024n,
  MB: 1024n ** 2n,
  GB: 1024n ** 3n,
  TB: 1024n ** 4n,
};

export const BYTE_SIZE_FORM = 'a number with kB, MB, GB or TB';

/** The number of bytes; null if the text is not a size. */
export function tryParseByteSize(text: string): bigint | null {
  const match = /^([1-9]\d{0,9})(kB|MB|GB|TB)$/.exec(text);
  return match === null ? null : BigInt(match[1]!) * UNITS[match[2]!]!;
}

const STEPS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** The text of a size for people, in steps of 1024 as in pg_size_pretty() of PostgreSQL. */
export function formatBytes(bytes: bigint | number): string {
  let [value, unit] = [BigInt(bytes), 0];
  for (; value >= 10_240n && unit < STEPS.length - 1; unit++) value = (value + 512n) / 1024n;
  return `${value} ${STEPS[unit]}`;
}
