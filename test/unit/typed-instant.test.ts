/** Times as people type them, in time zones with changes of the clock. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readInstant } from '../../cli/typed-instant.ts';

const NOW = Date.UTC(2026, 10, 29, 9, 41, 7, 89);

function requested(text: string): string {
  const { instant } = readInstant(text, NOW);
  if (instant.kind === 'now') throw new Error('never');
  return instant.requested;
}

let zone: string | undefined;
beforeEach(() => {
  zone = process.env.TZ;
});
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

describe('in Berlin', () => {
  beforeEach(() => {
    process.env.TZ = 'Europe/Berlin';
  });

  test.each([
    ['now', '2026-11-29T10:41:07.089+01:00'],
    ['-15m', '2026-11-29T10:26:07.089+01:00'],
    ['-30s', '2026-11-29T10:40:37.089+01:00'],
    ['-2h', '2026-11-29T08:41:07.089+01:00'],
    ['-1d', '2026-11-28T10:41:07.089+01:00'],
    ['-200d', '2026-05-13T11:41:07.089+02:00'],
    ['2026-01-31', '2026-01-31T00:00:00+01:00'],
    ['2026-01-31 09:41', '2026-01-31T09:41:00+01:00'],
    ['2026-07-31 09:41:05', '2026-07-31T09:41:05+02:00'],
    ['2026-07-31 09:41:05.000001', '2026-07-31T09:41:05.000001+02:00'],
    ['2026-07-31 09:41:05.100', '2026-07-31T09:41:05.1+02:00'],
    ['2024-02-29', '2024-02-29T00:00:00+01:00'],
    ['0099-06-01 12:00', expect.stringMatching(/^0099-06-01T12:00:00\+/)],
  ])('%s', (text, expected) => {
    expect(requested(text)).toEqual(expected);
    expect(readInstant(text, NOW).understood).toMatch(/ \(Europe\/Berlin\)$/);
  });

  test('text with an offset, and an LSN, stay unchanged', () => {
    for (const text of ['2026-01-31T09:41:00Z', '2026-01-31T09:41:00-05:00', '0/16B3748']) {
      expect(requested(text)).toBe(text);
      expect(readInstant(text, NOW).understood).toBeNull();
    }
  });

  test('a local time that occurs twice is refused, with both', () => {
    expect(() => readInstant('2026-10-25 02:30', NOW)).toThrow(
      expect.objectContaining({
        code: 'BAD_TIME',
        remedy: 'Write which one: 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00',
      }),
    );
  });

  test('a local time that the clocks skipped is refused', () => {
    expect(() => readInstant('2026-03-29 02:30', NOW)).toThrow(
      expect.objectContaining({ code: 'BAD_TIME', message: expect.stringContaining('skipped') }),
    );
    expect(requested('2026-03-29 03:00')).toBe('2026-03-29T03:00:00+02:00');
    expect(requested('2026-03-29 01:59:59.999999')).toBe('2026-03-29T01:59:59.999999+01:00');
  });
});

test.each(['CET-1CEST,M3.5.0,M10.5.0/3', '<+0530>-5:30', 'Mars/Olympus'])(
  'TZ=%s, which Node takes for UTC: a local time is refused, other times are not',
  (name) => {
    process.env.TZ = name;
    expect(() => requested('2026-01-31 09:41')).toThrow(/The time zone TZ=.* is not known here/);
    expect(requested('-15m')).toBe('2026-11-29T09:26:07.089Z');
  },
);

test.each([
  ['JST-9', '+09:00'],
  ['UTC0', 'Z'],
  ['Etc/GMT', 'Z'],
  ['Africa/Abidjan', 'Z'],
  [':Asia/Kolkata', '+05:30'],
])('TZ=%s is known', (name, offset) => {
  process.env.TZ = name;
  expect(requested('2026-01-31 09:41')).toBe(`2026-01-31T09:41:00${offset}`);
  expect(readInstant('2026-01-31 09:41').understood).not.toContain('undefined');
});

test('in a zone half an hour off, west of Greenwich, and in UTC', () => {
  process.env.TZ = 'America/St_Johns';
  expect(requested('2026-01-31 09:41')).toBe('2026-01-31T09:41:00-03:30');
  process.env.TZ = 'Asia/Kathmandu';
  expect(requested('2026-01-31 09:41')).toBe('2026-01-31T09:41:00+05:45');
  process.env.TZ = 'UTC';
  expect(requested('2026-01-31 09:41')).toBe('2026-01-31T09:41:00Z');
});

test.each([
  '',
  '-',
  '-0m',
  '-15',
  '-15M',
  '- 15m',
  '+15m',
  '15m',
  '-1w',
  'NOW',
  'yesterday',
  '2026-02-29',
  '2026-13-01',
  '2026-00-10',
  '2026-01-31 24:00',
  '2026-01-31 09',
  '2026-01-31 09:41:00.1234567',
  '2026-1-31',
  '2026-01-31T09:41:00',
  '31.01.2026',
  '-999999999d',
])('"%s" is refused', (text) => {
  expect(() => readInstant(text, NOW)).toThrow(expect.objectContaining({ code: 'BAD_TIME' }));
});

test('every local hour of two years is read back as itself, or refused because clocks skipped it', () => {
  process.env.TZ = 'Europe/Berlin';
  let refused = 0;
  for (let wall = Date.UTC(2025, 0, 1); wall < Date.UTC(2027, 0, 1); wall += 3_600_000) {
    const text = new Date(wall).toISOString().slice(0, 16).replace('T', ' ');
    try {
      expect(requested(text).slice(0, 16)).toBe(text.replace(' ', 'T'));
    } catch (error) {
      if ((error as { code?: string }).code !== 'BAD_TIME') throw error;
      refused++;
    }
  }
  expect(refused).toBe(4); // one in spring and one in autumn, in two years
});
