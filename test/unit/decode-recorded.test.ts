/**
 * Both decoders on the recorded output of a server (PostgreSQL 15.20, wal2json 2.5): the same history through two plugins must
 * give the same events, with values as PostgreSQL's own to_json() prints them.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createPgoutputDecoder } from '../../core/decode/pgoutput.ts';
import { createWal2jsonDecoder } from '../../core/decode/wal2json.ts';
import { formatCommitTime } from '../../core/types/commit-time.ts';
import { formatLsn } from '../../core/types/lsn.ts';
import { createTypeCatalog, type TypeRow } from '../../core/types/pg-types.ts';
import type { DecodedTable, StreamDecoder } from '../../core/types/stream.ts';
import { decodeRow, type PlainChange, type PlainEvent } from '../support/stream-row.ts';

interface Recorded {
  readonly types: readonly TypeRow[];
  readonly plainToJson: readonly string[];
  readonly wal2json: readonly (readonly [string, string, string])[];
  readonly pgoutput: readonly (readonly [string, string, string])[];
}

const recorded = JSON.parse(
  readFileSync(new URL('recorded/decode.snap.json', import.meta.url), 'utf8'),
) as Recorded;

function table(name: string, keyColumns: string[], more: Partial<DecodedTable> = {}): DecodedTable {
  const schema = name.startsWith('T{') ? 'Odd "S\\chema' : 'public';
  return {
    relationId: 1,
    leafId: null,
    schema,
    name,
    keyColumns,
    excludedColumns: new Set(),
    columns: null,
    ...more,
  };
}

const ODD = 'T{a}b,"columns":[';
const FULL_COLUMNS = ['id', 'n', 'toast', 'sec', 'f', 'j', 'g'];
const TABLES = [
  table('plain', ['id']),
  table('odd', ['id']),
  table(ODD, ['k\\2', 'ke"y'], {
    excludedColumns: new Set(['sec']),
    columns: ['ke"y', 'k\\2', 'v', 'toast', 'sec'],
    toastableColumns: new Set(['ke"y', 'v', 'toast', 'sec']),
  }),
  table('full_t', ['id'], {
    columns: FULL_COLUMNS,
    excludedColumns: new Set(['sec']),
    toastableColumns: new Set(['n', 'toast', 'sec', 'j']),
    notNullColumns: new Set(['id', 'n']),
    generatedColumns: ['g'],
  }),
  table('nopk', ['a']),
  table('nank', ['k'], { notNullColumns: new Set(['k']) }),
  table('idx', ['id']),
  table('longk', ['k'], { columns: ['k', 'v'], toastableColumns: new Set(['k']) }),
];

const lookup = (schema: string, name: string): DecodedTable | null =>
  TABLES.find((candidate) => candidate.schema === schema && candidate.name === name) ?? null;

type Plugin = 'wal2json' | 'pgoutput';
const PLUGINS: readonly Plugin[] = ['wal2json', 'pgoutput'];

function eventsOf(plugin: Plugin, tables = lookup): PlainEvent[] {
  const types = createTypeCatalog(recorded.types);
  const decoder: StreamDecoder =
    plugin === 'wal2json' ? createWal2jsonDecoder(tables, types) : createPgoutputDecoder(tables, types);
  return recorded[plugin]
    .map(([lsn, xid, data]) => decodeRow(decoder, lsn, xid, data))
    .filter((event) => event !== null);
}

function changesOf(plugin: Plugin, name: string): PlainChange[] {
  return eventsOf(plugin)
    .filter((event) => event.kind === 'change')
    .filter((event) => event.table.name === name);
}

const brief = (change: PlainChange): unknown[] => [change.op, change.key, change.oldKey, change.rowData];

describe.each(PLUGINS)('%s', (plugin) => {
  test('a row of many types looks as to_json() prints it', () => {
    expect(changesOf(plugin, 'plain').map((change) => change.rowData)).toEqual(recorded.plainToJson);
  });

  test('values that JSON arrays cannot represent keep their text form', () => {
    const [first, second] = changesOf(plugin, 'odd');
    expect(first!.rowData).toBe(
      '{"id":1,"ia":"[0:1]={1,2}","ja":"{\\"{\\\\\\"x\\\\\\":1}\\",[1]}","jba":"{\\"null\\"}","co":"(1,\\"x y\\")",' +
        '"coa":"{\\"(1,a)\\"}","j":null,"jb":null}',
    );
    expect(first!.jsonNulls).toEqual(['j', 'jb']);
    expect(second!.rowData).toBe(
      '{"id":2,"ia":null,"ja":[{"x": 1},1.0,"s"],"jba":[{"x": 1},null],"co":null,"coa":null,"j":null,"jb":"null"}',
    );
    expect(second!.jsonNulls).toBeNull();
  });

  test('hostile names and values, an update of the key, unchanged TOAST, an excluded column', () => {
    const changes = changesOf(plugin, ODD);
    const long = '0123456789'.repeat(205);
    const oldKey = '["1","a\\"\\\\\\n}]"]';
    expect(changes.map((change) => [change.op, change.key, change.oldKey])).toEqual([
      ['I', oldKey, null],
      ['U', oldKey, null],
      ['U', '["1","b"]', oldKey],
      ['U', '["1","b"]', null],
      ['D', '["1","b"]', null],
    ]);
    expect(changes[0]!.rowData).toBe(
      `{"ke\\"y":"a\\"\\\\\\n}]","k\\\\2":1,"v":"vé\\"},{\\"name\\":\\"x","toast":"${long}"}`,
    );
    const columns = ['ke"y', 'k\\2', 'v', 'toast'];
    expect(changes[1]).toMatchObject({
      rowData: null,
      partial: { columns, fragments: ['"a\\"\\\\\\n}]"', '1', '"new"', undefined] },
    });
    expect(changes[2]!.partial).toEqual({
      columns,
      fragments: ['"b"', '1', 'null', undefined],
      holesAreCertain: plugin === 'pgoutput',
    });
    expect(changes[3]).toMatchObject({
      rowData: '{"ke\\"y":"b","k\\\\2":1,"v":null,"toast":"short"}',
      partial: null,
    });
    expect(changes[4]).toMatchObject({ rowData: null, partial: null });
  });

  test('REPLICA IDENTITY FULL fills in what did not change', () => {
    const changes = changesOf(plugin, 'full_t');
    const long = 'abcdefghij'.repeat(205);
    const generated = (value: number): string => (plugin === 'wal2json' ? `,"g":${value}` : '');
    expect(changes.map(brief).slice(0, 2)).toEqual([
      ['I', '["1"]', null, `{"id":1,"n":1.50,"toast":"${long}","f":null,"j":null${generated(2)}}`],
      ['U', '["1"]', null, `{"id":1,"n":1.50,"toast":"${long}","f":null,"j":null${generated(2)}}`],
    ]);
    expect(changes[2]).toMatchObject({ op: 'U', key: '["2"]', oldKey: '["1"]', partial: null });
    expect(changes[2]!.rowData).toContain(`"toast":"${long}"`);
    expect(changes[3]!.rowData).toContain('"toast":null');
    expect(brief(changes[4]!)).toEqual(['D', '["2"]', null, null]);
    expect(changes.map((change) => change.jsonNulls)).toEqual([['j'], ['j'], ['j'], ['j'], null]);
  });

  test('excluded columns appear nowhere', () => {
    const texts = eventsOf(plugin).flatMap((event) =>
      event.kind === 'change' ? [event.rowData, ...(event.partial?.fragments ?? [])] : [],
    );
    expect(texts.join('\n')).not.toMatch(/secret|"s2"|"sec"/);
  });

  test('a TOASTed key that did not change', () => {
    const key = JSON.stringify(['k0123456'.repeat(300)]);
    expect(changesOf(plugin, 'longk').map((change) => [change.op, change.key, change.oldKey])).toEqual([
      ['I', key, null],
      ['U', key, null],
      ['D', key, null],
    ]);
    expect(changesOf(plugin, 'longk')[1]!.rowData).toBe(`{"k":${key.slice(1, -1)},"v":2}`);
  });

  test('a message under our prefix, in its transaction; no other message', () => {
    expect(eventsOf(plugin).filter((event) => event.kind === 'message')).toEqual([
      { kind: 'message', prefix: 'pgtimewarp', content: '{"user":"x é\\"y"}' },
    ]);
  });

  test('truncate, of tracked tables only', () => {
    const names = eventsOf(plugin)
      .filter((event) => event.kind === 'truncate')
      .flatMap((event) => event.tables.map((truncated) => truncated.name));
    expect(names).toEqual(['full_t', 'idx']);
  });

  test('a commit has the position of its row, its xid and its microseconds', () => {
    const commits = eventsOf(plugin).filter((event) => event.kind === 'commit');
    const last = recorded.wal2json.findLast(([, , data]) => data.startsWith('{"action":"C"'))!;
    const [lsn, xid, data] = last;
    const commit = commits.at(-1)!;
    expect([formatLsn(commit.lsn), commit.xid]).toEqual([lsn, xid]);
    const text = (JSON.parse(data) as { timestamp: string }).timestamp;
    expect(formatCommitTime(commit.timestamp)).toBe(
      `${text.replace(' ', 'T').replace(/(\.\d+)?\+00$/, '')}.${(/\.(\d+)/.exec(text)?.[1] ?? '').padEnd(6, '0')}Z`,
    );
  });

  test('changes without begin rows decode the same', () => {
    const types = createTypeCatalog(recorded.types);
    const decoder =
      plugin === 'wal2json' ? createWal2jsonDecoder(lookup, types) : createPgoutputDecoder(lookup, types);
    const events = recorded[plugin]
      .filter(([, , data]) => !data.startsWith('{"action":"B"') && !data.startsWith('\\x42'))
      .map(([lsn, xid, data]) => decodeRow(decoder, lsn, xid, data))
      .filter((event) => event !== null);
    expect(events).toEqual(eventsOf(plugin).filter((event) => event.kind !== 'begin'));
  });
});

test('both plugins give the same result, except for what each of them loses', () => {
  const lossy = new Set(['full_t', 'nank', 'idx', 'nopk']);
  const comparable = (plugin: Plugin): PlainEvent[] =>
    eventsOf(plugin).filter(
      (event) => event.kind === 'commit' || (event.kind === 'change' && !lossy.has(event.table.name)),
    );
  // what wal2json does not show: whether a column was left out, and whether a null is NULL
  const alike = (event: PlainEvent): PlainEvent =>
    event.kind === 'change'
      ? {
          ...event,
          partial: event.partial === null ? null : { ...event.partial, holesAreCertain: true },
          doubtfulNulls: null,
        }
      : event;
  const kept = new Set(
    recorded.wal2json.filter(([, , data]) => data.startsWith('{"action":"C"')).map(([lsn]) => lsn),
  );
  const commitLsns = comparable('pgoutput').flatMap((event) =>
    event.kind === 'commit' ? [formatLsn(event.lsn)] : [],
  );
  expect(commitLsns.every((lsn) => kept.has(lsn))).toBe(true);
  expect(comparable('pgoutput')).toEqual(comparable('wal2json').map(alike));
});

test('wal2json: NaN of a NOT NULL column is reported as lost, pgoutput keeps it', () => {
  const row = changesOf('wal2json', 'full_t')[2]!;
  expect(row.incomplete).toEqual(['n']);
  expect(row.rowData).not.toContain('"n":');
  expect(changesOf('wal2json', 'full_t')[0]!.incomplete).toBeNull();
  const kept = changesOf('pgoutput', 'full_t')[2]!;
  expect(kept.rowData).toContain('"n":"NaN"');
  expect(kept.rowData).toContain('"f":"-Infinity"');
  expect(kept.incomplete).toEqual(['g']);
});

test('a numeric key: one text for equal numbers; NaN is a key for pgoutput and lost by wal2json', () => {
  const keys = (plugin: Plugin): unknown[] => changesOf(plugin, 'nank').map((c) => [c.op, c.key, c.oldKey]);
  const numbers = [
    ['I', '["1.1"]', null],
    ['U', '["1.1"]', null],
    ['U', '["2"]', '["1.1"]'],
  ];
  expect(keys('wal2json')).toEqual([...numbers, ['D', '["2"]', null]]);
  expect(keys('pgoutput')).toEqual([
    ['I', '["NaN"]', null],
    ...numbers,
    ['D', '["NaN"]', null],
    ['D', '["2"]', null],
  ]);
  const lost = eventsOf('wal2json').filter((e) => e.kind === 'key-mismatch' && e.table.name === 'nank');
  expect(lost).toHaveLength(2);
});

test.each(PLUGINS)('%s: a change without the tracked key is a mismatch', (plugin) => {
  const mismatches = eventsOf(plugin).filter((event) => event.kind === 'key-mismatch');
  const details = (name: string): string[] =>
    mismatches.filter((e) => e.table.name === name).map((e) => e.detail);
  expect(details('idx').length).toBeGreaterThanOrEqual(3);
  // With FULL pgoutput flags every column, so a table without primary key still has the values.
  expect(details('nopk')).toHaveLength(plugin === 'wal2json' ? 3 : 0);
});
