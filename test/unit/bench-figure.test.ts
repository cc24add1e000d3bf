/** The verdict on a benchmark's figure: rounding never makes a missed target a met one. */
import { expect, test } from 'vitest';
import { figure, isMet } from '../../bench/harness.ts';

test.each([
  ['≥ 0.6', [0.5951, 0.59999, 0.7], 0.59, false],
  ['≥ 0.6', [0.5, 0.6, 0.7], 0.6, true],
  ['≥ 0.6', [0.6049], 0.6, true],
  ['≤ 200', [200.004], 200.01, false],
  ['≤ 200', [200], 200, true],
  ['≤ 1.2', [1.1949], 1.2, true],
] as const)('%s of %j is printed as %d, met: %s', (target, values, value, met) => {
  const entry = figure('share', values, '×', { target });
  expect(entry.value).toBe(value);
  expect(isMet(entry)).toBe(met);
});

test('a figure without a target is rounded to the nearest', () => {
  expect(figure('share', [0.596], '×').value).toBe(0.6);
  expect(figure('rate', [16_947.6], 'requests/s', { digits: 0 }).value).toBe(16_948);
});
