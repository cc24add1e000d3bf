import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommitTimestampParser } from '../../core/decode/commit-timestamp.ts';
import { type CommitTime, formatCommitTime, parseCommitTime } from '../../core/types/commit-time.ts';

test('a text after any other is read as parseCommitTime reads it', () => {
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
  'infinity',
  '2026-01-01 00:00:00',
  '2026-01-01 00:00:00.1x+00',
  '2026-13-01 00:00:00+00',
  '2026-01-01 00:00:00x1+00',
])('no instant: "%s"', (text) => {
  const parser = new CommitTimestampParser();
  parser.parse('2026-01-01 00:00:00+00');
  expect(() => parser.parse(text)).toThrow(RangeError);
});
