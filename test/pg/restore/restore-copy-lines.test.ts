/** Rows that go from COPY to COPY become what the server itself reads in their JSON, however they are cut into blocks on the way. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quoteIdentifier } from '../../../core/pg/identifiers.ts';
import { copyLines } from '../../../core/restore/copy-lines.ts';
import { random } from '../../support/retention-twins.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const NAMES = ['plain', 'id', 'a "b"', 'c\\d', 'e,f', 'ünïcode', 'tab\there', 'doc', 'docb', 'gone'];
const TEXTS = [
  ...['', ' ', 'plain', '"', '\\', '\\N', '\\.', '\\\\n', '\b\f\n\r\t\v', '\u0001\u001f\u007f', 'é漢字😀'],
  ...['null', '{"a":1}', '","plain":', '}]}', '\\u0041', '\u2028', "x'".repeat(40), '"\\'.repeat(3000)],
];
const DOCS = [
  '1',
  '"a"',
  '"\\""',
  '"{"',
  '{"a": [1, {"b": "}"}],\n\t"c": "\\\\"}',
  '[]',
  '[",", "]"]',
  '1.50',
  'true',
  '"\\u00e9\\n"',
];

type Pick = (below: number) => number;

describe('rows as lines of COPY', () => {
  let databases: TestDatabases;

  beforeAll(async () => {
    const columns = NAMES.map((name) => {
      const type = { id: 'int', doc: 'json', docb: 'jsonb' }[name] ?? 'text';
      return `${quoteIdentifier(name)} ${type}`;
    });
    databases = await testDatabases({
      tables: `CREATE TABLE rows (place int, row_data json); CREATE TABLE written (${columns.join(', ')})`,
    });
  });

  afterAll(() => databases?.[Symbol.asyncDispose]());

  test.each([1, 2, 3, 4, 5, 6])('are what the server reads (seed %i)', async (seed) => {
    const { source } = databases;
    const pick = random(seed);
    // the names that are hard are not in every history: usual rows are then cut as bytes
    const names = NAMES.filter((name) => name === 'id' || pick(seed < 4 ? 6 : 3) > 0);
    const usual = seed % 2 === 0 ? names.filter((name) => !/[\\"\t]/.test(name)) : names;
    const rows = Array.from({ length: 2_000 }, (_, id) => rowText(pick, id, usual));
    await source.query('TRUNCATE rows, written');
    await source.query(
      'INSERT INTO rows SELECT r.place, r.row::json FROM unnest($1::text[]) WITH ORDINALITY AS r (row, place)',
      [rows],
    );
    const columns = usual
      .filter((name) => name !== 'gone')
      .map((name) => ({ name, isJson: name.startsWith('doc') }));
    const into = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    const blocks: Buffer[] = [];
    const reader = source.query(copyTo('COPY (SELECT row_data FROM rows ORDER BY place) TO STDOUT'));
    for await (const block of reader) blocks.push(block as Buffer);
    await pipeline(
      Readable.from(recut(Buffer.concat(blocks), pick)),
      copyLines(usual, columns),
      source.query(copyFrom(`COPY written (${into}) FROM STDIN`)),
    );
    const list = (of: (name: string) => string): string => columns.map(({ name }) => of(name)).join(', ');
    const read = await source.query({
      text: `SELECT ${list(valueSql)} FROM rows ORDER BY place`,
      rowMode: 'array',
    });
    const written = await source.query({
      text: `SELECT ${list((name) => `w.${quoteIdentifier(name)}::text`)} FROM written AS w ORDER BY w.id`,
      rowMode: 'array',
    });
    expect(written.rows).toEqual(read.rows);
  });
});

/** What the server reads as the value of a name: of JSON columns the text to the letter, which json_to_record() would write anew. */
function valueSql(name: string): string {
  const key = pg.escapeLiteral(name);
  if (!name.startsWith('doc')) return `row_data ->> ${key}`;
  const text = `CASE WHEN json_typeof(row_data -> ${key}) <> 'null' THEN row_data -> ${key} END`;
  return name === 'docb' ? `(${text})::jsonb::text` : `(${text})::text`;
}

/** Mostly in one order and without whitespace, as the history has rows; some not. */
function rowText(pick: Pick, id: number, names: readonly string[]): string {
  const isOdd = pick(10) === 0;
  const shown = isOdd
    ? names.filter((name) => name === 'id' || pick(4) > 0).toSorted(() => pick(3) - 1)
    : names;
  const space = isOdd && pick(2) === 0 ? ' ' : '';
  return `{${space}${shown
    .map((name) => `${JSON.stringify(name)}${space}:${space}${valueText(pick, id, name)}`)
    .join(`${space},${space}`)}${space}}`;
}

function valueText(pick: Pick, id: number, name: string): string {
  if (name === 'id') return String(id);
  if (pick(8) === 0) return 'null';
  if (name.startsWith('doc')) return DOCS[pick(DOCS.length)]!;
  if (pick(6) === 0) return ['1', '-1.50', '1e400', 'true', 'false'][pick(5)]!;
  // most rows have nothing to escape
  return JSON.stringify(pick(20) === 0 ? TEXTS[pick(TEXTS.length)] : `value ${pick(1000)}`);
}

function* recut(bytes: Buffer, pick: Pick): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + pick([3, 200, 70_000][pick(3)]!);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
