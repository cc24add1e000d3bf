/**
 * An order that brings neighbouring keys together, for rows that go into an index. It need not be exact: rows of one index
 * page should come together. Sorting numbers costs a fraction of comparing texts.
 */

/** How many characters are compared, after the common beginning of all keys; 7 bits of each. */
const CHARACTERS = 5;
const MAX_CODE = 0x7f;
/** A double holds 53 bits exactly: the characters, and below them the place of the key in the list. */
const PLACES = 2 ** (53 - 7 * CHARACTERS);

/** Places of the keys in `keys`, ordered by their first characters. Keys that are equal there keep their order. */
export function roughOrder(keys: readonly string[]): Uint32Array {
  if (keys.length > PLACES) return Uint32Array.from(keys.keys());
  const from = commonLength(keys);
  const ranks = new Float64Array(keys.length);
  for (let place = 0; place < keys.length; place++) {
    const key = keys[place]!;
    let rank = 0;
    for (let at = from; at < from + CHARACTERS; at++) {
      rank = rank * (MAX_CODE + 1) + (at < key.length ? Math.min(key.charCodeAt(at), MAX_CODE) : 0);
    }
    ranks[place] = rank * PLACES + place;
  }
  ranks.sort();
  return Uint32Array.from(ranks, (rank) => rank % PLACES);
}

/** The length of the common beginning of all keys. */
function commonLength(keys: readonly string[]): number {
  const first = keys[0] ?? '';
  let length = first.length;
  for (const key of keys) {
    let at = 0;
    while (at < length && key.charCodeAt(at) === first.charCodeAt(at)) at += 1;
    length = at;
  }
  return length;
}
