/** A number with what it counts: 1 change, 2 changes. */
export function count(number: number | bigint, noun: string): string {
  return `${number} ${noun}${BigInt(number) === 1n ? '' : 's'}`;
}
