import { describe, expect, test } from 'vitest';
import { roughOrder } from '../../core/store/history/rough-order.ts';

const ordered = (keys: readonly string[]): string[] => [...roughOrder(keys)].map((place) => keys[place]!);

describe('the order of keys on their way into an index', () => {
  test('goes by the characters after those that all have in common', () => {
    expect(ordered(['["item-30"]', '["item-1"]', '["item-20"]'])).toEqual([
      '["item-1"]',
      '["item-20"]',
      '["item-30"]',
    ]);
  });

  test('leaves equal keys as they came', () => {
    expect([...roughOrder(['["2"]', '["1"]', '["2"]', '["1"]'])]).toEqual([1, 3, 0, 2]);
    expect([...roughOrder(['["7"]', '["7"]', '["7"]'])]).toEqual([0, 1, 2]);
  });

  test('names every place once, whatever the keys are', () => {
    const keys = ['["é"]', '["\u{1f600}"]', '[""]', '["a","b"]', '["\\\\"]', '', '["éa"]'];
    expect([...roughOrder(keys)].sort()).toEqual([...keys.keys()]);
    expect([...roughOrder([])]).toEqual([]);
  });

  test('names every place once, also of more keys than it sorts', () => {
    for (const count of [262_144, 262_145]) {
      const seen = new Set(roughOrder(Array.from({ length: count }, (_, index) => `["${count - index}"]`)));
      expect(seen.size).toBe(count);
    }
  });
});
