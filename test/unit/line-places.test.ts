/** Lists that are longer than a browser can lay out: every line can be scrolled to, and the ends meet the ends. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boxHeight, placeOfScroll, scrollOfPlace } from '../../web/parts/line-places.ts';

const shapes = fc.record({
  count: fc.integer({ min: 1, max: 50_000_000 }),
  lineHeight: fc.integer({ min: 20, max: 60 }),
  height: fc.integer({ min: 100, max: 2_000 }),
});

test('the box is never higher than browsers allow, and its ends are those of the list', () => {
  fc.assert(
    fc.property(shapes, (box) => {
      const most = boxHeight(box);
      expect(most).toBeLessThanOrEqual(17_800_000);
      const whole = box.count * box.lineHeight;
      fc.pre(whole > box.height);
      expect(placeOfScroll(box, 0)).toBe(0);
      expect(placeOfScroll(box, most - box.height)).toBeCloseTo(whole - box.height, 3);
    }),
  );
});

test('scrolling to a place reaches it, and a short list is scrolled as it is', () => {
  fc.assert(
    fc.property(shapes, fc.double({ min: 0, max: 1, noNaN: true }), (box, share) => {
      const place = share * box.count * box.lineHeight;
      expect(placeOfScroll(box, scrollOfPlace(box, place))).toBeCloseTo(place, 3);
    }),
  );
  expect(placeOfScroll({ count: 100_000, lineHeight: 44, height: 600 }, 1_234)).toBe(1_234);
});
