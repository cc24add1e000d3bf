/** Output for people fits into 80 columns, whatever it contains, and shows local time beside UTC. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { describe as describeDiagnosis } from '../../cli/commands/doctor.ts';
import { describeTracked } from '../../cli/commands/track.ts';
import { Output } from '../../cli/output.ts';
import { renderAnswer } from '../../cli/render/answer.ts';
import { renderDiff } from '../../cli/render/changes.ts';
import { renderEvents } from '../../cli/render/events.ts';
import { localTime, withLocalTimes } from '../../cli/render/local-time.ts';
import { plainTable } from '../../cli/render/plain-table.ts';
import { renderStatus } from '../../cli/render/status.ts';
import { wrap } from '../../cli/render/wrap.ts';
import { ok, summarize, warn } from '../../core/doctor/check.ts';
import type { NodeStatusDocument, TableStatusDocument } from '../../documents/status.ts';

const out = new Output({ json: false, verbose: false }, {
  stdout: { columns: 80 },
  stderr: {},
} as unknown as ConstructorParameters<typeof Output>[1]);

const UTC = '2026-07-01T09:41:00.000001Z';
const INDIA = '2026-07-01T15:11:00.000001+05:30';
const POINT = { ts: UTC, lsn: 'FFFFFFFF/FFFFFFFF' };
const LAG = warn(
  'lag',
  `The horizon ${UTC} is 9000 s and 123456789 bytes of WAL behind.`,
  `do ${'x'.repeat(90)}`,
);

const TABLE: TableStatusDocument = {
  table: `${'s'.repeat(63)}.${'t'.repeat(63)}`,
  status: 'needs_rebaseline',
  status_reason: null,
  key: ['id'],
  tracked_from: POINT,
  tracked_to: null,
  baseline: { state: 'pending', rows: 1_000_000, estimated_rows: 20_000_000 },
  retention: '30 days',
  excluded: [],
  no_nan: false,
  no_nan_refuted: null,
  estimated_changes: null,
  size_bytes: 123_456_789_012,
  ranges: 12,
  oldest: null,
};

const NODE: NodeStatusDocument = {
  node: 'n'.repeat(40),
  status: 'blocked',
  followed: [
    {
      pattern: `${'s'.repeat(63)}_*.${'t'.repeat(63)}`,
      retention: null,
      excluded: [],
      not_tracked: [
        {
          table: 'public.t',
          reason: 'public.t has no primary key, and more words than one line has room for: so many.',
        },
      ],
    },
  ],
  status_reason: 'transaction 731 could not be applied in 5 runs: the store said no to one of its rows',
  database: 'd'.repeat(63),
  plugin: 'wal2json',
  slot: {
    name: 's'.repeat(63),
    present: true,
    confirmed_lsn: POINT.lsn,
    restart_lsn: POINT.lsn,
    wal_status: 'unreserved',
    active: false,
    retained_bytes: 123_456_789_012,
  },
  horizon: POINT,
  caught_up: false,
  last_run: { at: UTC, outcome: 'deadline' },
  lag_bytes: 123_456_789_012,
  lag_seconds: 9_000_000,
  open_gaps: [],
  checks: [LAG],
  tables: [TABLE, { ...TABLE, table: 'public.t', tracked_from: null }],
};

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

/** Remedies are meant to be pasted, so they stay on one line. */
const withoutRemedies = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== LAG.remedy)
    .join('\n');

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
    expectToFit(renderDiff(page, out, { title: `public.${'t'.repeat(63)} id=1` }));
  });
});

describe.each([
  ['UTC', []],
  ['Asia/Kolkata', [INDIA]],
])('in %s, beside UTC', (zone, local) => {
  const clocks = (text: string): string[] => text.match(/2026-[-\d]+T[:.\d]+\+05:30/g) ?? [];

  test('status fits, and shows local time below horizon, last run and start of answers', () => {
    vi.stubEnv('TZ', zone);
    const text = renderStatus({ source_error: `no answer ${'x '.repeat(80)}`, nodes: [NODE] }, out);
    expect(text).toContain(`           do ${'x'.repeat(90)}`);
    expectToFit(withoutRemedies(text));
    const small = { ...NODE, checks: [], tables: [{ ...TABLE, table: 'public.t' }] };
    const lines = renderStatus({ source_error: null, nodes: [small] }, out).split('\n');
    expectToFit(lines.join('\n'));
    for (const start of [`  horizon  ${UTC}`, `  last run ${UTC}`]) {
      const found = lines.findIndex((line) => line.startsWith(start));
      expect(found, start).toBeGreaterThan(0);
      const below = lines.slice(found + 1, found + 3).map((line) => line.trim());
      expect(below.includes(INDIA)).toBe(local.length > 0);
    }
    expect(lines.filter((line) => line.includes(UTC))).toHaveLength(3);
    expect(clocks(lines.join('\n'))).toEqual([...local, ...local, ...local]);
  });

  test('events fit', () => {
    vi.stubEnv('TZ', zone);
    const event = { id: '1', ts: UTC, severity: 'fail', code: 'SLOT_MISSING' } as const;
    const text = renderEvents([{ ...event, message: `${'the slot is gone '.repeat(9)}since ${UTC}` }], out);
    expectToFit(text);
    expect(clocks(text)).toEqual([...local, ...local]);
    expect(text).toMatch(/fail {2}SLOT_MISSING\n/);
  });

  test('the unknown parts of a diff, and its horizon', () => {
    vi.stubEnv('TZ', zone);
    const unknownText = `[{"from":"${UTC}","to":"${UTC}","reason":"in_gap"}]`;
    const page = {
      changes: [],
      unknownText,
      from: UTC,
      to: UTC,
      horizon: POINT,
      final: true,
      nextCursor: null,
    };
    const text = renderDiff(page, out, { title: 'public.t id=1' });
    expectToFit(text);
    expect(clocks(text)).toEqual([...local, ...local, ...local]);
  });

  test.each([true, false])('a table that is tracked (already: %s)', (alreadyTracked) => {
    vi.stubEnv('TZ', zone);
    const result = {
      relationId: 1,
      trackedFrom: POINT,
      baselineRows: 10,
      alreadyTracked,
      noNan: false,
      notes: ['A long sentence of many words that does not fit on one line of a narrow terminal.'],
    };
    const text = describeTracked({ ...result, table: TABLE.table, baseline: 'done' }, out);
    expectToFit(text);
    expect(text).toContain(`\n  ${UTC}  (${POINT.lsn})`);
    expect(clocks(text)).toEqual(local);
  });

  test('doctor fits, and leaves a remedy on one line', () => {
    vi.stubEnv('TZ', zone);
    const text = describeDiagnosis(summarize([LAG, ok('gaps', 'No gap.')]), out);
    expect(text).toContain(`\n      ${LAG.remedy}\n1 check passed.`);
    expectToFit(withoutRemedies(text));
    expect(clocks(text.replace(/\n +/g, ' '))).toEqual(local);
  });
});

test('a table narrows its widest column, and shows everything', () => {
  const text = plainTable(['a', 'b', 'c'], [['x'.repeat(100), ['short', 'lines'], 'y'.repeat(100)]], out);
  expectToFit(text);
  expect(text.match(/[xy]/g)).toHaveLength(200);
  expect(text).toContain('short');
  expect(text).toContain('lines');
  expect(plainTable(['a'], [['z'.repeat(80)]], out)).toContain('z'.repeat(80));
});

test('every time in a sentence is followed by local time', () => {
  vi.stubEnv('TZ', 'Asia/Kolkata');
  expect(withLocalTimes(`from ${UTC} to 2026-07-01T00:00:00Z.`)).toBe(
    `from ${UTC} (${INDIA}) to 2026-07-01T00:00:00Z (2026-07-01T05:30:00.000000+05:30).`,
  );
  vi.stubEnv('TZ', 'UTC');
  expect(withLocalTimes(`at ${UTC}`)).toBe(`at ${UTC}`);
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
