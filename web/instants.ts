/** Times of the API as numbers of microseconds, and back: a Date would lose the last three digits. */

/** @param ts RFC 3339, UTC, six decimals */
export function microsOf(ts: string): bigint {
  return BigInt(Date.parse(`${ts.slice(0, 19)}Z`)) * 1000n + BigInt(ts.slice(20, 26));
}

export function textOfMicros(micros: bigint): string {
  const seconds = micros / 1_000_000n - (micros % 1_000_000n < 0n ? 1n : 0n);
  const rest = micros - seconds * 1_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${`${rest}`.padStart(6, '0')}Z`;
}
