import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { formatTableName, parseTableName, quoteIdentifier, quoteTable } from '../../core/pg/identifiers.ts';
import type { DiffPage } from '../../core/query/diff.ts';
import { INSTANT_TEXT, instantParameters, NOW, parseInstant } from '../../core/query/instant.ts';
import { keyFromOptions, keyFromText } from '../../core/query/key-input.ts';
import { diffPageText } from '../../documents/diff.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TimewarpError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('table names', () => {
  test.each([
    ['orders', 'public', 'orders'],
    ['Orders', 'public', 'orders'],
    ['Sales.ORDERS', 'sales', 'orders'],
    ['"Sales".orders', 'Sales', 'orders'],
    ['"we""ird"."a.b"', 'we"ird', 'a.b'],
    ['"x; DROP TABLE y; --"', 'public', 'x; DROP TABLE y; --'],
    ['größe', 'public', 'größe'],
    ['ÄRGER', 'public', 'Ärger'],
    ['_t$1', 'public', '_t$1'],
    ['user', 'public', 'user'],
  ])('%s is %s and %s', (text, schema, name) => {
    expect(parseTableName(text)).toEqual({ schema, name });
  });

  test.each([
    '',
    ' ',
    '.',
    'a.',
    '.a',
    'a.b.c',
    '""',
    '"a',
    'a"',
    '1a',
    'a b',
    'a;b',
    'a-b',
    '"a\0b"',
    'x'.repeat(64),
  ])('%j is refused', (text) => {
    expect(codeOf(() => parseTableName(text))).toBe('BAD_TABLE_NAME');
  });

  test('a quoted or formatted name is read back as the same name', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 15, unit: 'grapheme' })
      .filter((each) => Buffer.byteLength(each) < 64);
    fc.assert(
      fc.property(name, name, (schema, table) => {
        const wanted = { schema, name: table };
        expect(parseTableName(quoteTable(wanted))).toEqual(wanted);
        expect(parseTableName(formatTableName(wanted))).toEqual(wanted);
      }),
    );
    expect(quoteIdentifier('a"; DROP')).toBe('"a""; DROP"');
  });
});

describe('instants', () => {
  test('times keep their microseconds and are converted to UTC', () => {
    expect(instantParameters(parseInstant('2026-01-31T09:41:00.123456+01:00'))).toEqual([
      '2026-01-31T08:41:00.123456Z',
      null,
      '2026-01-31T09:41:00.123456+01:00',
    ]);
  });
  test('letters in lower case, and up to six decimals', () => {
    const written = ['2026-01-31t09:41:00.5z', '2026-01-31T09:41:00.50Z', '2026-01-31t10:41:00.500000+01:00'];
    for (const text of written)
      expect(instantParameters(parseInstant(text))).toEqual(['2026-01-31T09:41:00.500000Z', null, text]);
  });
  test.each(['0000000', '12345678', '123456789'])(
    'the decimals .%s are refused with the reason',
    (decimals) => {
      expect(() => parseInstant(`2026-01-31T09:41:00.${decimals}Z`)).toThrow(/six decimals at most/);
      expect(codeOf(() => parseInstant(`2026-01-31t09:41:00.${decimals}z`))).toBe('BAD_TIME');
    },
  );
  test('the documented pattern accepts exactly what the parser accepts, and the store can read every such instant', () => {
    const digits = fc.stringMatching(
      /^\d{4}-[01]\d-[0-3]\d[Tt ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,7})?(Z|[+-][0-2]\d(:?\d\d)?)$/,
    );
    const leapDay = fc.nat(9999).map((year) => `${String(year).padStart(4, '0')}-02-29T00:00:00Z`);
    fc.assert(
      fc.property(fc.oneof(fc.stringMatching(INSTANT_TEXT), digits, leapDay), (text) => {
        expect(codeOf(() => parseInstant(text)) === 'no error', text).toBe(INSTANT_TEXT.test(text));
        if (!INSTANT_TEXT.test(text)) return;
        expect(instantParameters(parseInstant(text))[0] ?? '0001-').toMatch(/^(?!0000)\d{4,5}-/);
      }),
      { numRuns: 2000 },
    );
  });
  test('an instant before the year 1 becomes its first instant', () => {
    for (const text of ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+23:59']) {
      expect(instantParameters(parseInstant(text))).toEqual(['0001-01-01T00:00:00.000000Z', null, text]);
    }
  });
  test('LSNs, and nothing', () => {
    expect(instantParameters(parseInstant('16/b374d848'))).toEqual([null, '16/B374D848', '16/b374d848']);
    expect(parseInstant(null)).toBe(NOW);
  });
  test.each([
    '',
    'yesterday',
    '2026-01-31',
    '2026-01-31T09:41:00',
    '2026-02-30T00:00:00Z',
    '0/',
    '12026-01-01T00:00:00Z',
  ])('%j is refused', (text) => {
    expect(codeOf(() => parseInstant(text))).toBe('BAD_TIME');
  });
});

describe('keys', () => {
  test.each([
    [['id=1'], '{"id":"1"}'],
    [['region=eu', 'id=007'], '{"region":"eu","id":"007"}'],
    [['id=a=b'], '{"id":"a=b"}'],
    [['id='], '{"id":""}'],
    [['42'], '"42"'],
    [['007'], '"007"'],
    [['null'], '"null"'],
    [['"x"'], '"\\"x\\""'],
    [['{not json'], '"{not json"'],
    [['{"id": 9007199254740993, "v": "a=b"}'], '{"id": 9007199254740993, "v": "a=b"}'],
  ])('%j is %s', (options, json) => {
    expect(keyFromOptions(options)).toBe(json);
  });
  test.each([[[]], [['id=1', 'id=2']], [['id=1', 'x']], [['=1']], [['id=a\0']], [['\ud800']]])(
    '%j is refused',
    (options) => {
      expect(codeOf(() => keyFromOptions(options))).toBe('BAD_KEY');
    },
  );
  test('a single text may contain an equals sign', () => {
    expect(keyFromText('YWI=')).toBe('"YWI="');
  });
});

describe('pages of a diff', () => {
  test('the text contains rows unchanged', () => {
    const page: DiffPage = {
      changes: [
        {
          op: 'U',
          lsn: '0/1',
          ts: '2026-01-01T00:00:00.000001Z',
          xid: '7',
          rowText: '{"n" : 1.10}',
          changedText: '{"n":{"from":1.1,"to":1.10}}',
          contextText: null,
        },
      ],
      unknownText: '[]',
      from: null,
      to: '0/5',
      horizon: null,
      final: false,
      nextCursor: null,
    };
    expect(diffPageText(page)).toBe(
      '{"changes":[{"op":"U","lsn":"0/1","ts":"2026-01-01T00:00:00.000001Z","xid":"7","row":{"n" : 1.10},' +
        '"changed":{"n":{"from":1.1,"to":1.10}},"context":null}],"unknown":[],"from":null,"to":"0/5",' +
        '"horizon":null,"final":false}',
    );
  });
});
