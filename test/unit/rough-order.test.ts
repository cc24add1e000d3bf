import { describe, expect, test } from 'vitest';
import { roughOrder } from '../../core/store/history/rough-order.ts';

/** The keys as encoded fields, one after the other. */
function order(keys: readonly string[]): number[] {
  const block = Buffer.alloc(keys.reduce((sum, key) => sum + 4 + 3 * key.length, 0));
  const places: number[] = [];
  let at = 0;
  for (const key of keys) {
    places.push(at);
    const length = block.write(key, at + 4);
    at = block.writeInt32BE(length, at) + length;
  }
  const count = keys.length;
  const rows = { count, blocks: [block], blockOf: new Uint32Array(count), keys: Uint32Array.from(places) };
  return [...roughOrder(rows)];
}

const ordered = (keys: readonly string[]): string[] => order(keys).map((place) => keys[place]!);

describe('the order of keys before they enter an index', () => {
  test('depends on the characters after those that all keys share', () => {
    expect(ordered(['["item-30"]', '["item-1"]', '["item-20"]'])).toEqual([
      '["item-1"]',
      '["item-20"]',
      '["item-30"]',
    ]);
  });

  test('keeps the order of equal keys', () => {
    expect([...order(['["2"]', '["1"]', '["2"]', '["1"]'])]).toEqual([1, 3, 0, 2]);
    expect([...order(['["7"]', '["7"]', '["7"]'])]).toEqual([0, 1, 2]);
  });

  test('contains every place once, for any keys', () => {
    const keys = ['["é"]', '["\u{1f600}"]', '[""]', '["a","b"]', '["\\\\"]', '', '["éa"]'];
    expect([...order(keys)].sort()).toEqual([...keys.keys()]);
    expect([...order([])]).toEqual([]);
  });

  test('contains every place once, also for more keys than it sorts', () => {
    for (const count of [262_144, 262_145]) {
      const seen = new Set(order(Array.from({ length: count }, (_, index) => `["${count - index}"]`)));
      expect(seen.size).toBe(count);
    }
  });
});
