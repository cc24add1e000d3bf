/** The exact layout of wal2json's output, and variations that no recorded row has. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createWal2jsonDecoder } from '../../core/decode/wal2json.ts';
import { parseLsn } from '../../core/types/lsn.ts';
import { createTypeCatalog } from '../../core/types/pg-types.ts';
import type { DecodedTable, StreamDecoder } from '../../core/types/stream.ts';
import { decodeRow, type PlainChange, type PlainEvent } from '../support/stream-row.ts';

interface Field {
  readonly name: string;
  readonly typeoid: number;
  readonly value: unknown;
}

const STAMP = '2026-01-01 00:00:00.000001+00';
const types = createTypeCatalog([]);

function tableOf(more: Partial<DecodedTable>): DecodedTable {
  return {
    relationId: 1,
    leafId: null,
    schema: 's',
    name: 't',
    keyColumns: ['id'],
    excludedColumns: new Set(),
    columns: null,
    ...more,
  };
}

const decoderOf = (table: Partial<DecodedTable> = {}): StreamDecoder =>
  createWal2jsonDecoder((schema, name) => tableOf({ schema, name, ...table }), types);

function line(
  action: string,
  columns: readonly Field[] | null,
  identity: readonly Field[] | null,
  key = ['id'],
): string {
  return JSON.stringify({
    action,
    timestamp: STAMP,
    schema: 's',
    table: 't',
    ...(columns === null ? {} : { columns }),
    ...(identity === null ? {} : { identity }),
    pk: key.map((name) => ({ name, typeoid: 23 })),
  });
}

const change = (event: PlainEvent | null): PlainChange => {
  if (event?.kind !== 'change') throw new Error(`no change but ${event?.kind}`);
  return event;
};

const id = (value: number): Field => ({ name: 'id', typeoid: 23, value });
const text = (name: string, value: string | null): Field => ({ name, typeoid: 25, value });

test('any names and values are read as JSON.parse reads them', () => {
  const hostile = fc.string({
    unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', '\n', '\u0001', 'é', 'v'),
    maxLength: 10,
  });
  const string = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    hostile,
    fc.constantFrom('"value":', '}]', '},{"name":"'),
  );
  const value = fc.oneof(
    string.map((v) => ({ typeoid: 25, value: v as unknown })),
    fc.integer().map((v) => ({ typeoid: 23, value: v as unknown })),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((v) => ({ typeoid: 701, value: v as unknown })),
    fc.boolean().map((v) => ({ typeoid: 16, value: v as unknown })),
    fc.constant({ typeoid: 25, value: null as unknown }),
  );
  const names = fc.uniqueArray(
    string.filter((name) => name !== 'id' && name !== '__proto__' && !/^\d+$/.test(name)),
    { maxLength: 5 },
  );
  const rows = fc
    .record({ schema: string, table: string, names })
    .chain(({ schema, table, names: columns }) =>
      fc.record({
        schema: fc.constant(schema),
        table: fc.constant(table),
        rows: fc.array(
          fc.tuple(fc.integer(), fc.tuple(...columns.map((name) => value.map((v) => ({ name, ...v }))))),
          { minLength: 1, maxLength: 4 },
        ),
      }),
    );
  fc.assert(
    fc.property(rows, (sample) => {
      const seen: string[][] = [];
      const decoder = createWal2jsonDecoder((schema, name) => {
        seen.push([schema, name]);
        return tableOf({ schema, name });
      }, types);
      for (const [key, fields] of sample.rows) {
        const columns = [id(key), ...fields];
        const data = JSON.stringify({
          action: 'I',
          timestamp: STAMP,
          schema: sample.schema,
          table: sample.table,
          columns,
          pk: [{ name: 'id', typeoid: 23 }],
        });
        const decoded = change(decodeRow(decoder, '0/1', '1', data));
        expect(decoded.key).toBe(`["${key}"]`);
        expect(decoded.rowData).toBe(
          `{${columns.map((c) => `${JSON.stringify(c.name)}:${JSON.stringify(c.value)}`).join(',')}}`,
        );
      }
      expect(seen).toEqual([[sample.schema, sample.table]]);
    }),
    { numRuns: 200 },
  );
});

describe('columns that an update lacks', () => {
  const wide = {
    columns: ['id', 'a', 'b', 'c'],
    toastableColumns: new Set(['a', 'b', 'c']),
  };
  const full = [id(1), text('a', 'A'), text('b', 'B'), text('c', 'C')];

  test('each row has its own holes, independent of the row before', () => {
    const decoder = decoderOf(wide);
    const holesOf = (...columns: Field[]): unknown => {
      const decoded = change(decodeRow(decoder, '0/1', '1', line('U', columns, [id(1)])));
      return decoded.partial === null ? decoded.rowData : decoded.partial.fragments;
    };
    expect(holesOf(...full)).toBe('{"id":1,"a":"A","b":"B","c":"C"}');
    expect(holesOf(full[0]!, full[2]!)).toEqual(['1', undefined, '"B"', undefined]);
    expect(holesOf(full[0]!, full[1]!, full[3]!)).toEqual(['1', '"A"', undefined, '"C"']);
    expect(holesOf(full[0]!)).toEqual(['1', undefined, undefined, undefined]);
    expect(holesOf(...full)).toBe('{"id":1,"a":"A","b":"B","c":"C"}');
  });

  test('an insert has none, and columns that cannot be TOASTed or are excluded have none', () => {
    expect(change(decodeRow(decoderOf(wide), '0/1', '1', line('I', [id(1)], null))).rowData).toBe('{"id":1}');
    const narrow = { ...wide, toastableColumns: new Set(['a']), excludedColumns: new Set(['a']) };
    expect(change(decodeRow(decoderOf(narrow), '0/1', '1', line('U', [id(1)], [id(1)]))).rowData).toBe(
      '{"id":1}',
    );
  });

  test('columns of the old row fill the holes, also under REPLICA IDENTITY USING INDEX (id, b)', () => {
    const old = [id(1), text('b', 'B')];
    const filled = change(
      decodeRow(decoderOf(wide), '0/1', '1', line('U', [id(1), text('a', 'A'), text('c', 'C')], old)),
    );
    expect(filled.rowData).toBe('{"id":1,"a":"A","b":"B","c":"C"}');
    const partial = change(decodeRow(decoderOf(wide), '0/1', '1', line('U', [id(1)], old)));
    expect(partial.partial).toEqual({
      columns: ['id', 'a', 'b', 'c'],
      fragments: ['1', undefined, '"B"', undefined],
      holesAreCertain: false,
    });
  });

  test('a TOASTed key column comes from the old row', () => {
    const table = { ...wide, keyColumns: ['id', 'b'] };
    const data = line('U', [id(2), text('a', 'A'), text('c', 'C')], [id(1), text('b', 'B')], ['id', 'b']);
    expect(change(decodeRow(decoderOf(table), '0/1', '1', data))).toMatchObject({
      key: '["2","B"]',
      oldKey: '["1","B"]',
      rowData: '{"id":2,"a":"A","b":"B","c":"C"}',
    });
  });
});

test('a type that changes within one peek: each row by its own type', () => {
  const decoder = decoderOf();
  const rowOf = (typeoid: number, value: unknown): string | null =>
    change(decodeRow(decoder, '0/1', '1', line('I', [id(1), { name: 'v', typeoid, value }], null))).rowData;
  expect(rowOf(23, 5)).toBe('{"id":1,"v":5}');
  expect(rowOf(25, '5')).toBe('{"id":1,"v":"5"}');
  expect(rowOf(1007, '{5}')).toBe('{"id":1,"v":[5]}');
  expect(rowOf(1700, '1.10')).toBe('{"id":1,"v":1.10}'); // numeric-data-types-as-string of wal2json 2.6
  expect(rowOf(26, 5)).toBe('{"id":1,"v":"5"}');
  expect(rowOf(17, 'ff')).toBe('{"id":1,"v":"\\\\xff"}');
  expect(rowOf(17, '')).toBe('{"id":1,"v":"\\\\x"}');
});

test('another key in the stream is a mismatch, the rows around it are not', () => {
  const decoder = decoderOf();
  const kindOf = (key: string[]): string | undefined =>
    decodeRow(decoder, '0/1', '1', line('I', [id(1)], null, key))?.kind;
  expect([kindOf(['id']), kindOf([]), kindOf(['other']), kindOf(['id', 'x']), kindOf(['id'])]).toEqual([
    'change',
    'key-mismatch',
    'key-mismatch',
    'key-mismatch',
    'change',
  ]);
});

test('members in another order, or additional members', () => {
  const inOrder = change(decodeRow(decoderOf(), '0/1', '1', line('U', [id(2), text('a', 'x')], [id(1)])));
  const { pk, identity, columns, table, schema, timestamp, action } = JSON.parse(
    line('U', [id(2), text('a', 'x')], [id(1)]),
  );
  const shuffled = JSON.stringify({
    xid: 7,
    pk,
    action,
    columns,
    identity,
    lsn: '0/1',
    schema,
    table,
    timestamp,
  });
  expect(change(decodeRow(decoderOf(), '0/1', '1', shuffled))).toEqual(inOrder);
  const begin = JSON.stringify({ xid: 7, action: 'B', timestamp: STAMP });
  expect(decodeRow(decoderOf(), '0/1', '7', begin)).toEqual({ kind: 'begin', xid: '7' });
});

test('an untracked table is looked up once and skipped', () => {
  let lookups = 0;
  const decoder = createWal2jsonDecoder(() => {
    lookups += 1;
    return null;
  }, types);
  for (let i = 0; i < 3; i++) expect(decodeRow(decoder, '0/1', '1', line('I', [id(i)], null))).toBeNull();
  expect(lookups).toBe(1);
});

test('every truncated row is refused with the code of an unreadable stream', () => {
  const data = line('U', [id(2), text('a', 'x"}]')], [id(1)]);
  for (let end = 0; end < data.length; end++) {
    const cut = data.slice(0, end);
    expect(() => decodeRow(decoderOf(), '0/AB', '1', cut), cut).toThrow(
      expect.objectContaining({ code: 'STREAM_UNREADABLE', facts: { plugin: 'wal2json', lsn: '0/AB' } }),
    );
  }
});

test('a row ends where it ends, also in the middle of its own text', () => {
  const lsn = parseLsn('0/AB');
  const long = `${'a'.repeat(60)}\\${'b'.repeat(100)}"`;
  for (const value of ['x"}]', long, `${long}\\`]) {
    const bytes = Buffer.from(line('U', [id(2), text('a', value)], [id(1)]));
    for (let end = 0; end < bytes.length; end++) {
      const decode = () => decoderOf().decode({ lsn, xid: '1', bytes, start: 0, end });
      expect(decode, String(end)).toThrow(expect.objectContaining({ code: 'STREAM_UNREADABLE' }));
    }
    const row = { lsn, xid: '1', bytes: Buffer.concat([bytes, bytes]) };
    const decoder = decoderOf();
    for (const start of [0, bytes.length]) {
      const event = decoder.decode({ ...row, start, end: start + bytes.length });
      expect(event?.kind === 'change' && event.texts.rowData).toBe(JSON.stringify({ id: 2, a: value }));
    }
  }
});

test('with numbers as texts NULL is NULL, and NaN and infinity have their text (as wal2json 2.6 wrote it)', () => {
  const head = `{"action":"I","timestamp":"${STAMP}","schema":"public","table":"t","columns":[`;
  const tail = '],"pk":[{"name":"id","typeoid":23}]}';
  const rows = [
    `${head}{"name":"id","typeoid":23,"value":"1"},{"name":"n","typeoid":1700,"value":"NaN"},{"name":"p","typeoid":1700,"value":"1.10"},{"name":"f","typeoid":701,"value":"Infinity"},{"name":"r","typeoid":700,"value":"-Infinity"},{"name":"b","typeoid":20,"value":"9007199254740993"},{"name":"o","typeoid":26,"value":"4294967295"},{"name":"d","typeoid":25,"value":"x"},{"name":"arr","typeoid":1231,"value":"{NaN,1.0}"}${tail}`,
    `${head}{"name":"id","typeoid":23,"value":"2"},{"name":"n","typeoid":1700,"value":null},{"name":"p","typeoid":1700,"value":"NaN"},{"name":"f","typeoid":701,"value":null},{"name":"r","typeoid":700,"value":null},{"name":"b","typeoid":20,"value":null}${tail}`,
    `${head}{"name":"id","typeoid":23,"value":"3"},{"name":"f","typeoid":701,"value":"1e-07"}${tail}`,
  ];
  const table = { notNullColumns: new Set(['id', 'p']) };
  const decoder = createWal2jsonDecoder((schema, name) => tableOf({ schema, name, ...table }), types, {
    numbersAsText: true,
  });
  const read = rows.map((row) => {
    const { key, rowData, incomplete, doubtfulNulls, nullsAssumed } = change(
      decodeRow(decoder, '0/1', '1', row),
    );
    expect([incomplete, doubtfulNulls, nullsAssumed]).toEqual([null, null, false]);
    return [key, rowData];
  });
  expect(read).toEqual([
    [
      '["1"]',
      '{"id":1,"n":"NaN","p":1.10,"f":"Infinity","r":"-Infinity","b":9007199254740993,"o":"4294967295","d":"x","arr":["NaN",1.0]}',
    ],
    ['["2"]', '{"id":2,"n":null,"p":"NaN","f":null,"r":null,"b":null}'],
    ['["3"]', '{"id":3,"f":1e-07}'],
  ]);
});

test('the meaning of null in a number column depends on what is known of the column', () => {
  const row = line('I', [id(1), { name: 'n', typeoid: 1700, value: null }], null);
  const read = (table: Partial<DecodedTable>) => {
    const { rowData, incomplete, doubtfulNulls, nullsAssumed } = change(
      decodeRow(decoderOf(table), '0/1', '1', row),
    );
    return [rowData, incomplete, doubtfulNulls, nullsAssumed];
  };
  const names = new Set(['n']);
  expect(read({})).toEqual(['{"id":1,"n":null}', null, ['n'], false]);
  expect(read({ noNan: true })).toEqual(['{"id":1,"n":null}', null, null, true]);
  expect(read({ notNullColumns: names })).toEqual(['{"id":1}', ['n'], null, false]);
  expect(read({ notNullColumns: names, noNan: true })).toEqual(['{"id":1}', ['n'], null, false]);
  expect(read({ notNullColumns: names, nullIsNanColumns: names })).toEqual([
    '{"id":1,"n":"NaN"}',
    null,
    null,
    false,
  ]);
});
