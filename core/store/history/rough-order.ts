/**
 * An order that brings neighbouring keys together, for rows that go into an index. It need not be exact: rows of one index
 * page should come together. Sorting numbers costs a fraction of comparing texts.
 */

/** How many bytes are compared, after the common beginning of all keys; 7 bits of each. */
const COMPARED = 5;
const MAX_CODE = 0x7f;
/** A double holds 53 bits exactly: the bytes, and below them the place of the key in the list. */
const PLACES = 2 ** (53 - 7 * COMPARED);

/** Keys as fields of COPY's binary format: the length in four bytes, then the key. The key of a place is in `blocks[blockOf[place]]` at `keys[place]`. */
export interface KeyBytes {
  readonly count: number;
  readonly blocks: readonly Buffer[];
  readonly blockOf: Uint32Array;
  readonly keys: Uint32Array;
}

/** Places of the keys, ordered by their first bytes. Keys that are equal there keep their order. */
export function roughOrder(rows: KeyBytes): Uint32Array {
  const { count, blocks, blockOf, keys } = rows;
  if (count > PLACES) return Uint32Array.from({ length: count }, (_, place) => place);
  const from = commonLength(rows);
  const ranks = new Float64Array(count);
  for (let place = 0; place < count; place++) {
    const block = blocks[blockOf[place]!]!;
    const start = keys[place]! + 4;
    const length = block.readInt32BE(start - 4);
    let rank = 0;
    for (let at = from; at < from + COMPARED; at++) {
      const byte = at < length ? block[start + at]! : 0;
      rank = rank * (MAX_CODE + 1) + Math.min(byte, MAX_CODE);
    }
    ranks[place] = rank * PLACES + place;
  }
  ranks.sort();
  const places = new Uint32Array(count);
  for (let i = 0; i < places.length; i++) places[i] = ranks[i]! % PLACES;
  return places;
}

/** The length of the common beginning of all keys. */
function commonLength({ count, blocks, blockOf, keys }: KeyBytes): number {
  if (count === 0) return 0;
  const first = blocks[blockOf[0]!]!;
  const firstAt = keys[0]! + 4;
  let length = first.readInt32BE(firstAt - 4);
  for (let place = 1; place < count; place++) {
    const block = blocks[blockOf[place]!]!;
    const start = keys[place]! + 4;
    length = Math.min(length, block.readInt32BE(start - 4));
    let at = 0;
    while (at < length && block[start + at] === first[firstAt + at]) at += 1;
    length = at;
  }
  return length;
}
