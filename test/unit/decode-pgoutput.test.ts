/** Messages of pgoutput that are not in the recorded history. */
import { expect, test } from 'vitest';
import { createPgoutputDecoder } from '../../core/decode/pgoutput.ts';
import { createTypeCatalog } from '../../core/types/pg-types.ts';
import type { DecodedTable, StreamDecoder } from '../../core/types/stream.ts';
import { decodeRow } from '../support/stream-row.ts';

const TABLE: DecodedTable = {
  relationId: 1,
  leafId: 3,
  schema: 's',
  name: 't',
  keyColumns: ['id'],
  excludedColumns: new Set(['no']),
  columns: null,
};

const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const u32 = (n: number): Buffer => Buffer.concat([u16(Math.floor(n / 65536)), u16(n % 65536)]);
const name = (text: string): Buffer => Buffer.from(`${text}\0`);
const value = (text: string): Buffer =>
  Buffer.concat([Buffer.from('t'), u32(Buffer.byteLength(text)), Buffer.from(text)]);
const hex = (...parts: (Buffer | string)[]): string =>
  `\\x${Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))).toString('hex')}`;

const RELID = 3_000_000_000; // larger than a signed 32-bit integer
const column = (flags: number, text: string, oid: number): Buffer =>
  Buffer.concat([Buffer.from([flags]), name(text), u32(oid), u32(0xffffffff)]);
const relation = (...columns: Buffer[]): string =>
  hex('R', u32(RELID), name('s'), name('t'), 'd', u16(columns.length), ...columns);
const insert = (...values: Buffer[]): string => hex('I', u32(RELID), 'N', u16(values.length), ...values);

function decoderOf(seen: unknown[] = []): StreamDecoder {
  const lookup = (...names: unknown[]): DecodedTable => {
    seen.push(names);
    return TABLE;
  };
  return createPgoutputDecoder(lookup, createTypeCatalog([]));
}

test('a relation is found by name and OID, and described again after DDL', () => {
  const seen: unknown[] = [];
  const decoder = decoderOf(seen);
  expect(decodeRow(decoder, '0/1', '1', relation(column(1, 'id', 20)))).toBeNull();
  expect(decodeRow(decoder, '0/1', '1', insert(value('1')))).toMatchObject({
    rowData: '{"id":1}',
    key: '["1"]',
  });
  expect(
    decodeRow(decoder, '0/1', '1', relation(column(1, 'id', 20), column(0, 'é"', 25), column(0, 'no', 25))),
  ).toBeNull();
  expect(
    decodeRow(decoder, '0/1', '1', insert(value('1'), value('ü😀\u0001'), value('hidden'))),
  ).toMatchObject({
    rowData: '{"id":1,"é\\"":"ü😀\\u0001"}',
  });
  expect(seen).toEqual([
    ['s', 't', RELID],
    ['s', 't', RELID],
  ]);
});

test('messages about types and origins are ignored', () => {
  expect(decodeRow(decoderOf(), '0/1', '1', hex('Y', u32(20001), name('s'), name('mood')))).toBeNull();
  expect(decodeRow(decoderOf(), '0/1', '1', hex('O', u32(0), u32(1), name('elsewhere')))).toBeNull();
});

test.each<[string, string]>([
  ['empty', '\\x'],
  ['an unknown message', hex('Z')],
  ['a change of a relation that was not described', insert(value('1'))],
  ['a commit cut short', hex('C', u32(0))],
  ['a name without end', hex('M', u16(0), u32(0), 'abcdefgh')],
])('unreadable: %s', (_, data) => {
  expect(() => decodeRow(decoderOf(), '0/AB', '1', data)).toThrow(
    expect.objectContaining({ code: 'STREAM_UNREADABLE', facts: { plugin: 'pgoutput', lsn: '0/AB' } }),
  );
});

test('unreadable: a change cut at any byte', () => {
  const decoder = decoderOf();
  decodeRow(decoder, '0/1', '1', relation(column(1, 'id', 20), column(0, 'v', 25)));
  const data = insert(value('1'), value('text'));
  for (let end = 4; end < data.length; end += 2)
    expect(() => decodeRow(decoder, '0/1', '1', data.slice(0, end))).toThrow();
});
