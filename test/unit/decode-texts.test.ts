/** Texts that are written as bytes are the texts that the functions for strings give. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextWriter } from '../../core/decode/text-writer.ts';
import { isJsonNullAt, writeValue } from '../../core/decode/value-writer.ts';
import { LONGEST_TEXT_BYTES, TextTooLong } from '../../core/errors/too-long.ts';
import { quoteJson } from '../../core/types/json-text.ts';
import { createTypeCatalog } from '../../core/types/pg-types.ts';
import { isJsonNull, renderText } from '../../core/types/render-text.ts';

const kindOf = createTypeCatalog([]);
const around = (text: string): Buffer => Buffer.from(`"\\${text}\\"`);

/** Text of any length around the limits of the writer, mostly plain, with what is escaped anywhere. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({
        unit: fc.constantFrom('"', '\\', '\n', '\u0001', '\u001f', ' ', '\u007f', 'é', '€', '😀', '\u2028'),
      }),
      fc.nat(300).map((length) => 'plain '.repeat(length / 6)),
      fc.string({ unit: 'grapheme' }),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.join(''));

const write = (
  write: (writer: TextWriter, bytes: Buffer, from: number, to: number) => void,
  text: string,
): string | null => {
  const writer = new TextWriter();
  const bytes = around(text);
  writer.begin();
  writer.openField();
  writer.text('["1"]');
  writer.closeField();
  writer.openField();
  write(writer, bytes, 2, bytes.length - 2);
  writer.closeField();
  const texts = writer.finish();
  expect(texts.key).toBe('["1"]');
  return texts.rowData;
};

test('a JSON string has the escapes of to_json()', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(write((writer, bytes, from, to) => writer.quoted(bytes, from, to), text)).toBe(quoteJson(text));
    }),
    { numRuns: 2_000 },
  );
});

test('every ASCII character in every place of a long text', () => {
  for (let code = 0; code < 0x80; code++) {
    for (const before of [256, 257, 258, 259]) {
      const text = `${'x'.repeat(before)}${String.fromCharCode(code)}${'y'.repeat(before % 7)}`;
      expect(write((writer, bytes, from, to) => writer.quoted(bytes, from, to), text)).toBe(quoteJson(text));
    }
  }
});

const VALUES: readonly (readonly [oid: number, texts: readonly string[]])[] = [
  [23, ['0', '-1', '2147483647']],
  [1700, ['1.10', 'NaN', 'Infinity', '-Infinity', '-0.5']],
  [701, ['1e+300', '-0', 'NaN']],
  [16, ['t', 'f']],
  [25, ['', 'x', 'é"\\\u0001', 'x'.repeat(1000), `${'é'.repeat(300)}"`]],
  [114, ['null', ' null ', '\tnull', 'nullx', '{"a": null}', '"null"', '']],
  [3802, ['null', '1', '[null]']],
  [
    1114,
    [
      '2026-01-01 00:00:00',
      '2026-01-01 00:00:00.000001',
      'infinity',
      '-infinity',
      '0044-03-15 00:00:00 BC',
      '12026-01-01 00:00:00',
    ],
  ],
  [
    1184,
    [
      '2026-01-01 00:00:00+00',
      '2026-01-01 00:00:00.5-03:30',
      'infinity',
      '0044-03-15 00:00:00+00 BC',
      '294276-12-31 23:59:59.999999+00',
    ],
  ],
  [1007, ['{1,2}', '{}', '[0:1]={1,2}']],
  [17, ['\\x00ff']],
];

test.each(VALUES)('values of type %i are rendered as their texts are', (oid, texts) => {
  const kind = kindOf(oid);
  for (const text of texts) {
    expect(write((writer, bytes, from, to) => writeValue(writer, kind, bytes, from, to), text)).toBe(
      renderText(kind, text),
    );
    const bytes = around(text);
    expect(isJsonNullAt(kind, bytes, 2, bytes.length - 2)).toBe(isJsonNull(kind, text));
  }
});

test('texts of a row stay whole across blocks, and dropped ones leave nothing', () => {
  const writer = new TextWriter();
  const kept = [];
  for (let i = 0; i < 3_000; i++) {
    writer.begin();
    writer.openField();
    writer.text(`[${i}]`);
    writer.closeField();
    writer.openField();
    writer.text('x'.repeat(i));
    writer.closeField();
    if (i % 3 > 0) kept.push({ i, texts: writer.finish() });
  }
  for (const { i, texts } of kept) {
    expect(texts.key).toBe(`[${i}]`);
    expect(texts.rowData?.length).toBe(i);
  }
});

test('a text that could not be a string is refused before memory is taken', () => {
  const writer = new TextWriter();
  writer.begin();
  const bytes = Buffer.alloc(LONGEST_TEXT_BYTES / 5, 1); // each byte becomes six
  expect(() => writer.quoted(bytes, 0, bytes.length)).toThrow(TextTooLong);
});
