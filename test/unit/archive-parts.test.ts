/** Parts of the archive that are pure: Avro, exact JSON, lists of manifests, names of tables, checksums. */
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tableId } from '../../core/archive/archive-table.ts';
import { type AvroSchema, type AvroValue, readAvro, writeAvro } from '../../core/archive/avro.ts';
import { formatExact, parseExact } from '../../core/archive/exact-json.ts';
import {
  listEntry,
  manifestPath,
  readManifestList,
  writeManifestList,
} from '../../core/archive/manifests.ts';
import { parseS3Url } from '../../core/archive/object-store.ts';
import { RowChecksum } from '../../core/archive/row-checksum.ts';

const SCHEMA: AvroSchema = {
  type: 'record',
  name: 'all',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'maybe', type: ['null', 'long'] },
    { name: 'text', type: 'string' },
    { name: 'flag', type: 'boolean' },
    { name: 'list', type: { type: 'array', items: 'bytes' } },
    { name: 'map', type: { type: 'map', values: 'int' } },
  ],
};

test('Avro: what is written is read, longs of 64 bits too', () => {
  const record = fc.record({
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    maybe: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    text: fc.string({ unit: 'binary' }),
    flag: fc.boolean(),
    list: fc.array(fc.uint8Array()),
    map: fc.dictionary(fc.string(), fc.integer()),
  });
  fc.assert(
    fc.property(fc.array(record), (records) => {
      const plain = (value: unknown): string =>
        JSON.stringify(value, (_, each) =>
          typeof each === 'bigint' ? `${each}n` : each instanceof Uint8Array ? [...each] : each,
        );
      const read = readAvro(writeAvro(SCHEMA, { a: 'b' }, records as never));
      expect(read.schema).toEqual(SCHEMA);
      const bytes = read.records.map((each) => ({
        ...each,
        list: (each.list as Uint8Array[]).map((some) => new Uint8Array(some)),
      }));
      expect(plain(bytes)).toBe(plain(records));
    }),
  );
});

test('Avro: the file of another writer, compressed, in blocks with sizes, with names for types', () => {
  const schema = {
    type: 'record',
    name: 'r',
    fields: [
      { name: 'first', type: { type: 'fixed', name: 'four', size: 4 } },
      { name: 'second', type: 'four' },
      { name: 'list', type: { type: 'array', items: 'int' } },
    ],
  };
  const block = deflateRawSync(Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 2, 4, 0]));
  const meta = Object.entries({ 'avro.schema': JSON.stringify(schema), 'avro.codec': 'deflate' });
  const sized = (bytes: Buffer): Buffer => {
    const length = bytes.length * 2;
    const size = length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
    return Buffer.concat([Buffer.from(size), bytes]);
  };
  const file = Buffer.concat([
    Buffer.from('Obj\x01\x04', 'latin1'),
    ...meta.flatMap(([name, value]) => [sized(Buffer.from(name)), sized(Buffer.from(value))]),
    ...[Buffer.from([0]), Buffer.alloc(16, 9), Buffer.from([2]), sized(block), Buffer.alloc(16, 9)],
  ]);
  const [record] = readAvro(file).records;
  expect([...(record!.first as Uint8Array), ...(record!.second as Uint8Array)]).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8,
  ]);
  expect(record!.list).toEqual([1, 2]);
  expect(() => readAvro(file.subarray(0, file.length - 20))).toThrow(/cut/);
});

test('a list of manifests keeps the entries of another list', () => {
  const id = 2n ** 62n + 1n;
  const entry = listEntry({ path: 's3://b/m', length: 7, snapshotId: id, sequenceNumber: 3n, files: [] });
  const foreign = new Map<number, AvroValue>([...entry, [517, 1], [519, new Uint8Array([1, 2])]]);
  const list = readManifestList(
    writeManifestList([entry, foreign], { id, parentId: null, sequenceNumber: 4n }),
  );
  expect(list.map(manifestPath)).toEqual(['s3://b/m', null]);
  expect(list[1]!.get(503)).toBe(id);
  expect([...(list[1]!.get(519) as Uint8Array)]).toEqual([1, 2]);
});

test('JSON keeps every digit of whole numbers', () => {
  const text = '{"id":9223372036854775807,"small":12,"list":[-9223372036854775808,1.5]}';
  expect(formatExact(parseExact(text))).toBe(text);
});

test('names of tables: plain ones stay, others stay apart', () => {
  const name = (schema: string, table: string): string => tableId('n', { schema, name: table }).name;
  expect(name('public', 'order_items')).toBe('public__order_items');
  const odd = [
    name('public', 'Orders'),
    name('public', 'orders'),
    name('public', 'or ders'),
    name('a', 'b__c'),
    name('a__b', 'c'),
  ];
  expect(new Set(odd).size).toBe(odd.length);
  for (const each of odd) expect(each).toMatch(/^[a-z0-9_]+$/);
});

test('addresses of buckets', () => {
  expect(parseS3Url('s3://bucket/a/b/')).toEqual({ bucket: 'bucket', key: 'a/b' });
  expect(parseS3Url('s3://bucket')).toEqual({ bucket: 'bucket', key: '' });
  expect(() => parseS3Url('https://bucket/a')).toThrow(/Not the address/);
});

test('the checksum tells rows apart whose texts are the same when joined, and does not depend on their order', () => {
  const of = (...rows: (string | null)[][]): string => {
    const checksum = new RowChecksum();
    for (const row of rows) checksum.add(row);
    return `${checksum.rows} ${checksum.sum}`;
  };
  expect(of(['1', '12'])).not.toBe(of(['11', '2']));
  expect(of(['1', null])).not.toBe(of([null, '1']));
  expect(of(['1'], ['2'])).toBe(of(['2'], ['1']));
});
