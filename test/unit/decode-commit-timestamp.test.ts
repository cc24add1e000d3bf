import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommitTimestampParser } from '../../core/decode/commit-timestamp.ts';
import {
  type CommitTime,
  commitTimeFromPostgresMicros,
  formatCommitTime,
  parseCommitTime,
} from '../../core/types/commit-time.ts';

test('a text is read like parseCommitTime reads it, whatever came before', () => {
  const second = fc.constantFrom(
    946_684_800n,
    1_767_225_599n,
    1_767_225_600n,
    253_402_300_799n,
    253_402_300_800n,
  );
  const fraction = fc.constantFrom('', '.1', '.12345', '.000001', '.999999');
  const offset = fc.constantFrom('+00', '+05:30', '-08');
  const sample = fc.tuple(second, fraction, offset).map(([seconds, decimals, zone]) => {
    const text = formatCommitTime((seconds * 1_000_000n) as CommitTime);
    return text.replace('T', ' ').replace('.000000Z', decimals + zone);
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 8 }), (texts) => {
      const parser = new CommitTimestampParser();
      for (const text of texts) expect(parser.parse(text), text).toBe(parseCommitTime(text));
    }),
    { numRuns: 200 },
  );
});

test.each([
  '',
  'infinite',
  '2026-01-01 00:00:00',
  '2026-01-01 00:00:00.1x+00',
  '2026-13-01 00:00:00+00',
  '2026-01-01 00:00:00x1+00',
])('not an instant: "%s"', (text) => {
  const parser = new CommitTimestampParser();
  parser.parse('2026-01-01 00:00:00+00');
  expect(() => parser.parse(text)).toThrow(RangeError);
});

test.each([
  ['infinity', '294276-12-31T23:59:59.999999Z'],
  ['-infinity', '0001-01-01T00:00:00.000000Z'],
  ['0044-03-15 12:00:00+00 BC', '0001-01-01T00:00:00.000000Z'],
  ['294276-12-31 23:59:59.999999+00', '294276-12-31T23:59:59.999999Z'],
])('an impossible commit timestamp, %s, does not block the node', (text, instant) => {
  expect(formatCommitTime(new CommitTimestampParser().parse(text))).toBe(instant);
});

test.each([
  [9_223_372_036_854_775_807n, '294276-12-31T23:59:59.999999Z'],
  [-9_223_372_036_854_775_808n, '0001-01-01T00:00:00.000000Z'],
])('the count %s does not block the node', (micros, instant) => {
  expect(formatCommitTime(commitTimeFromPostgresMicros(micros))).toBe(instant);
});
