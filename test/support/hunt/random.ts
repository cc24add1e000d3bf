/** Random numbers determined by a seed. */

/** A whole number from 0 to below n. */
export type OutOf = (n: number) => number;

/** A sequence of numbers determined by the seed (mulberry32). */
export function randomOf(seed: number): OutOf {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}

export function pickFrom<T>(outOf: OutOf, list: readonly T[]): T {
  return list[outOf(list.length)]!;
}
