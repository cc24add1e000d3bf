/** What people read fits 80 columns, whatever is in it, and shows their own clock beside UTC. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Output } from '../../cli/output.ts';
import { renderAnswer } from '../../cli/render/answer.ts';
import { renderDiff } from '../../cli/render/changes.ts';
import { localTime } from '../../cli/render/local-time.ts';
import { wrap } from '../../cli/render/wrap.ts';

const out = new Output({ json: false, verbose: false }, {
  stdout: { columns: 80 },
  stderr: {},
} as unknown as ConstructorParameters<typeof Output>[1]);

const MOMENT = '{"ts":"2026-07-01T09:41:00.000001Z","lsn":"FFFFFFFF/FFFFFFFF","xid":"4294967295"}';
const ANSWER =
  `{"status":"absent","reason":"not_in_window","schema":"${'s'.repeat(63)}","table":"${'t'.repeat(63)}",
  "pk":{"id":"${'k'.repeat(200)}"},"row":{"${'c'.repeat(63)}":"${'x y'.repeat(90)}"},"incomplete":["${'c'.repeat(90)}"],
  "context":{"user":"${'u'.repeat(90)}"},"valid_from":${MOMENT},"valid_to":${MOMENT},
  "as_of":{"requested":"2026-07-01T09:41:00.000001Z","lsn":"0/1"},"horizon":${MOMENT},"final":false}`.replace(
    /\n\s*/g,
    '',
  );

afterEach(() => vi.unstubAllEnvs());

function expectToFit(text: string): void {
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
}

describe.each(['UTC', 'Asia/Kolkata'])('in %s', (zone) => {
  test.each(['found', 'absent', 'unknown'])('an answer fits: %s', (status) => {
    vi.stubEnv('TZ', zone);
    expectToFit(renderAnswer(ANSWER.replace('absent', status), out));
  });

  test('a diff fits', () => {
    vi.stubEnv('TZ', zone);
    const ts = '2026-07-01T09:41:00.000001Z';
    const change = { op: 'S', lsn: 'FFFFFFFF/FFFFFFFF', ts, xid: '4294967295' } as const;
    const page = {
      changes: [{ ...change, rowText: `{"${'c'.repeat(63)}":1}`, changedText: null, contextText: null }],
      unknownText: `[{"from":"${ts}","to":"${ts}","reason":"baseline_pending"}]`,
      from: ts,
      to: ts,
      horizon: { lsn: 'FFFFFFFF/FFFFFFFF', ts },
      final: false,
      nextCursor: null,
    };
    expectToFit(renderDiff(`public.${'t'.repeat(63)} id=1`, page, out));
  });
});

test('local time has every digit and its offset, and is left out in UTC', () => {
  vi.stubEnv('TZ', 'Europe/Berlin');
  expect(localTime('2026-07-01T22:41:00.000001Z')).toBe('2026-07-02T00:41:00.000001+02:00');
  expect(localTime('2026-01-01T09:41:00.999999Z')).toBe('2026-01-01T10:41:00.999999+01:00');
  vi.stubEnv('TZ', 'America/St_Johns');
  expect(localTime('2026-01-01T02:00:00.000000Z')).toBe('2025-12-31T22:30:00.000000-03:30');
  vi.stubEnv('TZ', 'UTC');
  expect(localTime('2026-01-01T02:00:00.000000Z')).toBeNull();
});

test('colours have no width, and long words are cut', () => {
  expect(wrap(`\u001b[31m${'a'.repeat(10)}\u001b[39m b`, 12)).not.toContain('\n');
  expect(wrap('abcdef ghi', 4, ' ')).toBe('abcd\n ef\n ghi');
});
