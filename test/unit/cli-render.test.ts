import { stripVTControlCharacters } from 'node:util';
import { createColors } from 'picocolors';
import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { Output } from '../../cli/output.ts';
import { renderAnswer } from '../../cli/render/answer.ts';
import { renderDiff } from '../../cli/render/changes.ts';
import { plainTable } from '../../cli/render/plain-table.ts';
import { printable } from '../../cli/render/printable.ts';
import { wrap } from '../../cli/render/wrap.ts';
import type { DiffPage } from '../../core/query/diff.ts';
import { formatBytes } from '../../core/types/byte-size.ts';

const out = new Output({ json: false, verbose: false }, {
  stdout: { columns: 80 },
  stderr: {},
} as unknown as ConstructorParameters<typeof Output>[1]);

const LONG = `"${'x'.repeat(300)}"`;

function page(changedText: string): DiffPage {
  return {
    changes: [
      {
        op: 'U',
        lsn: '0/1',
        ts: '2026-01-01T00:00:00.000001Z',
        xid: '731',
        rowText: '{}',
        changedText,
        contextText: null,
      },
    ],
    unknownText: '[{"from" : "2026-01-01T00:00:00.000002Z", "to" : null, "reason" : "in_gap"}]',
    from: null,
    to: null,
    horizon: { lsn: '0/2', ts: '2026-01-02T00:00:00.000000Z' },
    final: true,
    nextCursor: null,
  };
}

describe('a diff for people', () => {
  test('shows old and new of the changed columns, every digit as stored', () => {
    const text = renderDiff(page('{"n":{"from":9007199254740993,"to":1.10},"added":{"to":null}}'), out, {
      title: 'public.t id=1',
    });
    expect(text).toContain('n      9007199254740993 → 1.10');
    expect(text).toContain('added  (none) → null');
    expect(text).toContain('unknown from 2026-01-01T00:00:00.000002Z to the end: in gap');
  });

  test.each([
    ['both long', `{"c":{"from":${LONG},"to":${LONG}}}`],
    ['old long', `{"c":{"from":${LONG},"to":1}}`],
    ['new long', `{"c":{"from":1,"to":${LONG}}}`],
    ['long name', `{"${'n'.repeat(60)}":{"from":${LONG},"to":${LONG}}}`],
  ])('fits 80 columns: %s', (_, changed) => {
    for (const line of renderDiff(page(changed), out, { title: 'public.t id=1' }).split('\n')) {
      expect(line.length, line).toBeLessThanOrEqual(80);
    }
  });

  test('shows unknown intervals at their place in time', () => {
    const one = page('{}');
    const at = (second: number) => `2026-01-01T00:00:0${second}.000000Z`;
    const changes = [1, 3, 5].map((second) => ({ ...one.changes[0]!, ts: at(second) }));
    const unknown = [
      { from: null, to: at(1), reason: 'before_tracking' },
      { from: at(2), to: at(3), reason: 'in_gap' },
      { from: at(5), to: null, reason: 'in_gap' },
    ];
    const text = renderDiff({ ...one, changes, unknownText: JSON.stringify(unknown) }, out, { title: 't' });
    const order = text.match(/unknown from \S+|^2026\S+ {2}updated/gm)!.map((line) => line.split('  ')[0]);
    expect(order).toEqual([
      'unknown from the',
      at(1),
      `unknown from ${at(2)}`,
      at(3),
      `unknown from ${at(5)}`,
      at(5),
    ]);
  });

  test('two long texts that differ far inside look different', () => {
    const sides = [`"${'x'.repeat(300)}a${'y'.repeat(300)}"`, `"${'x'.repeat(300)}b${'y'.repeat(300)}"`];
    const line = renderDiff(page(`{"c":{"from":${sides[0]},"to":${sides[1]}}}`), out, { title: 't' }).split(
      '\n',
    )[3]!;
    expect(line).toMatch(/…x{8}ay+… → …x{8}by+…$/);
    expect(line.length).toBeLessThanOrEqual(80);
    const cut = renderDiff(page(`{"c":{"from":${LONG},"to":"${'x'.repeat(299)}"}}`), out, {
      title: 't',
    }).split('\n')[3]!;
    expect(cut).toMatch(/…x{8}x" → …x{8}"$/);
    const emoji = `"${'😀'.repeat(150)}`;
    const faces = renderDiff(page(`{"c":{"from":${emoji}😀","to":${emoji}😁"}}`), out, { title: 't' });
    expect(faces).not.toMatch(/\p{Surrogate}/u);
    expect(faces).toMatch(/😀" → …(😀)+😁"/);
  });

  test('shows both full values if requested', () => {
    const text = renderDiff(page(`{"c":{"from":${LONG},"to":${LONG.replaceAll('x', 'q')}}}`), out, {
      title: 't',
      full: true,
    });
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect([text.match(/x/g)?.length, text.match(/q/g)?.length]).toEqual([300, 300]);
    expect(renderDiff(page('{"c":{"from":1,"to":2}}'), out, { title: 't', full: true })).toContain(
      'c  1 → 2',
    );
  });

  test('keeps a short value whole if the other is long', () => {
    expect(renderDiff(page(`{"c":{"from":${LONG},"to":"short"}}`), out, { title: 't' })).toContain(
      '… → "short"',
    );
  });
});

describe('an answer for people', () => {
  const answer = (row: string, rest = ''): string =>
    `{"status":"found","reason":null,"schema":"public","table":"Odd T","pk":{"id":"1"},"row":${row},"op":"U",` +
    `"incomplete":[],"context":null,"valid_from":{"lsn":"0/1","ts":"2026-01-01T00:00:00.000001Z","xid":"731"},` +
    `"valid_to":null,"as_of":{"requested":"0/1","lsn":"0/1"},"horizon":{"lsn":"0/2","ts":"2026-01-02T00:00:00Z"},` +
    `"final":true${rest}}`;

  test('shows the values unchanged, and when they were valid', () => {
    const text = renderAnswer(
      answer('{"id":1,"big":9007199254740993,"amount":1.10,"doc":{"a": [1,  2]}}'),
      out,
    );
    expect(text).toContain('public."Odd T" id=1 as of 0/1: found');
    expect(text).toMatch(/big +9007199254740993\n/);
    expect(text).toMatch(/amount +1\.10\n/);
    expect(text).toContain('{"a": [1,  2]}');
    expect(text).toContain('valid from  2026-01-01T00:00:00.000001Z  (0/1, transaction 731)');
    expect(text).toMatch(/; final$/);
  });

  test('shows a long value completely, on lines that fit', () => {
    const text = renderAnswer(answer(`{"c":${LONG}}`), out);
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(text.match(/x/g)?.length).toBe(300);
  });

  test('cuts a very long value and shows its length; prints all of it if requested', () => {
    const long = `"${'x'.repeat(5_000)}"`;
    const text = renderAnswer(answer(`{"c":${long}}`), out);
    expect(text.match(/x/g)?.length).toBe(999);
    expect(text.replaceAll(/\s+/g, ' ')).toMatch(/x… \(5,002 characters: --full shows them ?all\)/);
    expect(renderAnswer(answer(`{"c":${long}}`), out, true).match(/x/g)?.length).toBe(5_000);
  });

  test.each([
    ['spaces', (n: number) => 'word '.repeat(n / 5)],
    ['one word', (n: number) => 'x'.repeat(n)],
    ['escapes', (n: number) => '\\"'.repeat(n / 2)],
    ['Chinese', (n: number) => '東'.repeat(n)],
  ])('takes time that grows with the length only: %s', (_, textOf) => {
    const processorSeconds = (n: number): number => {
      const began = process.cpuUsage();
      renderAnswer(answer(`{"c":"${textOf(n)}"}`), out, true);
      renderDiff(page(`{"c":{"from":"${textOf(n)}","to":"${textOf(n)}!"}}`), out, { title: 't', full: true });
      wrap(textOf(n), 80);
      const { user, system } = process.cpuUsage(began);
      return (user + system) / 1_000_000;
    };
    processorSeconds(10_000);
    expect(processorSeconds(300_000)).toBeLessThan(10); // 60 kB took 10 s, and four times as long for twice as much
  });

  test('shows why a row is absent', () => {
    const text = renderAnswer(
      answer('null').replace('"found","reason":null', '"absent","reason":"deleted"'),
      out,
    );
    expect(text).toContain('absent (it had been deleted)');
    expect(text).toContain('deleted     2026-01-01T00:00:00.000001Z');
  });
});

test('escapes all control characters of terminals', () => {
  expect(printable('a\u001b[31mb\u009bc\u202ed\u007f')).toBe('a\\u001b[31mb\\u009bc\\u202ed\\u007f');
  expect(printable('naïve 東京')).toBe('naïve 東京');
});

describe('a table for people', () => {
  test('colours take no space: the headings stay whole', () => {
    const rows = [
      ['id', '1'],
      ['status', '"paid"'],
    ];
    const coloured = plainTable(['column', 'value'], rows, { colors: createColors(true), width: 80 });
    expect(stripVTControlCharacters(coloured)).toBe(plainTable(['column', 'value'], rows, out));
    expect(coloured).not.toBe(stripVTControlCharacters(coloured));
    expect(coloured.split('\n')).toHaveLength(3);
  });

  test('words of a cell are broken only if they are long', () => {
    const cells = ['status "new" → "shipped", total 1299.00 → 0.00', 'x'.repeat(30)];
    const text = plainTable(['change', 'key'], [cells], { colors: out.colors, width: 36 });
    const columns = text
      .split('\n')
      .slice(1)
      .map((line) => [line.slice(0, 18).trimEnd(), line.slice(18).trim()]);
    expect(columns.map(([change]) => change).filter(Boolean)).toEqual([
      'status "new" →',
      '"shipped", total',
      '1299.00 → 0.00',
    ]);
    expect(columns.map(([, key]) => key).join('')).toBe(cells[1]);
    const context = plainTable(['context'], [['{"user":"ann","request":"r-1234567890"}']], {
      colors: out.colors,
      width: 26,
    });
    expect(context.split('\n').slice(1)).toEqual(['{"user":"ann",', '"request":"r-1234567890"}']);
  });

  test('a time is broken only if no words can be', () => {
    const time = '2026-11-30T03:06:08.441275Z';
    const cells = [[time], ['orders: 11 updated, 1 deleted'], '{"user":"ann"}'];
    const text = plainTable(['time', 'tables', 'context'], [cells], { colors: out.colors, width: 60 });
    expect(text).toContain(`${time}  `);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(60);
  });

  test('characters that are two columns wide count as two', () => {
    const lines = plainTable(['a', 'b'], [['東京'.repeat(30), 'next']], out).split('\n');
    expect(lines[1]).toMatch(/^(東京)+(東)? {2}next$/);
    expect(
      lines
        .slice(1)
        .join('')
        .match(/[東京]/g),
    ).toHaveLength(60);
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(80);
  });
});

test('sizes', () => {
  expect([0, 10_239, 10_240, 5_000_000_000].map(formatBytes)).toEqual([
    '0 bytes',
    '10239 bytes',
    '10 kB',
    '4768 MB',
  ]);
});
