/** The rows of a unit after any key, from files with many row groups and pages: all of them, in their order, and no byte is read twice. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchiveRow, AT, CHANGE_NAMES, COLUMNS } from '../../core/archive/columns.ts';
import { compareKeys } from '../../core/archive/compare-keys.ts';
import { Budget, Ranges } from '../../core/archive/ranges.ts';
import { type UnitGroup, UnitRows } from '../../core/archive/unit-rows.ts';
import { type WrittenFile, writeParquet } from '../../core/archive/write-parquet.ts';

const KEYS = Array.from({ length: 1500 }, (_, n) => {
  const prefix = ['', '\u{1F600}', '\uFFFD', 'é', '\uE000'][n % 5]!;
  return JSON.stringify([`${prefix}${n}`]);
}).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

function* rows(): Generator<ArchiveRow> {
  for (const lsn of [1, 2]) yield row({ pk: '', op: 'T', valid_from_lsn: `${lsn}`, seq: '0' });
  for (const [index, pk] of KEYS.entries()) {
    const versions = index === 700 ? 9000 : 1 + (index % 7); // one key that fills groups of its own
    for (let n = 0; n < versions; n++)
      yield row({
        ...{ pk, op: n === 0 ? 'I' : 'U', valid_from_lsn: `${100 + n}`, seq: `${index % 3}` },
        row_data: JSON.stringify({ k: index, n, text: `${(index * 7919 + n * 104729) % 99991}`.repeat(8) }),
      });
  }
}

function row(values: Readonly<Record<string, string>>): ArchiveRow {
  const all: Record<string, string> = { valid_from_ts: '1', relation_id: '1', lsn_space: '1', ...values };
  return COLUMNS.map(({ name }) => all[name] ?? null);
}

const ALL = [...rows()];
const READ = ALL.filter((each) => each[AT.pk] !== '').map((each) =>
  each.map((text, at) => (CHANGE_NAMES.includes(COLUMNS[at]!.name) ? text : null)),
);

let folder: string;
const files: WrittenFile[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-'));
  const limits = { groupRows: 2500, groupLetters: 1e9, fileBytes: 60_000 };
  const pages = async function* (): AsyncGenerator<ArchiveRow[]> {
    yield ALL;
  };
  for await (const file of writeParquet(pages(), folder, limits)) files.push(file);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Read {
  readonly groups: readonly UnitGroup[];
  /** Path, first byte, last byte. */
  readonly reads: (readonly [string, number, number])[];
}

async function opened(after: string): Promise<Read> {
  const reads: [string, number, number][] = [];
  const groups: UnitGroup[] = [];
  for (const { localPath, bytes, groups: places } of files)
    for (const place of places) {
      if (compareKeys(place.max, after) <= 0) continue;
      const read = async (start: number, end: number): Promise<Uint8Array> => {
        reads.push([localPath, start, end]);
        await using file = await open(localPath);
        const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
        return new Uint8Array(buffer);
      };
      groups.push({
        path: localPath,
        place,
        file: new Ranges(bytes, read, new Budget({ requests: 1e9, bytes: 1e12, gap: 0 })),
      });
    }
  return { groups, reads };
}

async function readAll(unit: UnitRows): Promise<ArchiveRow[]> {
  const found: ArchiveRow[] = [];
  for (;;) {
    await unit.fill();
    if (unit.head === null) return found;
    do found.push(unit.head);
    while (unit.pass());
  }
}

test('there are several files, groups and pages', () => {
  expect(files.length).toBeGreaterThan(1);
  expect(files.flatMap(({ groups }) => groups).length).toBeGreaterThan(4);
  expect(files[0]!.groups[0]!.columns[11]!.index).toBeDefined();
});

test.each([200, 999, 5000])('all rows after a key, %d at a time', async (rowsAtOnce) => {
  for (const goesOn of [true, false])
    for (const after of [
      '',
      KEYS[0]!,
      KEYS[699]!,
      KEYS[700]!,
      KEYS[1100]!,
      KEYS.at(-2)!,
      KEYS.at(-1)!,
      '["8',
      '["\u{1F600}9',
    ]) {
      const { groups } = await opened(after);
      const found = await readAll(new UnitRows({ groups, after, rows: rowsAtOnce, goesOn }));
      const right = READ.filter((each) => Buffer.compare(Buffer.from(each[AT.pk]!), Buffer.from(after)) > 0);
      expect(found.length, after).toBe(right.length);
      expect(found, after).toEqual(right);
    }
});

test('no byte is read twice', async () => {
  const { groups, reads } = await opened('');
  await readAll(new UnitRows({ groups, after: '', rows: 300, goesOn: true }));
  reads.sort((a, b) => a[0].localeCompare(b[0]) || a[1] - b[1]);
  const twice = reads.filter(
    ([path, start], at) => at > 0 && reads[at - 1]![0] === path && reads[at - 1]![2] > start,
  );
  expect(twice).toEqual([]);
  expect(reads.length).toBeGreaterThan(50);
});

test('keys are compared as their bytes', () => {
  const some = [
    '',
    'a',
    'b',
    '\uFFFD',
    '\uE000',
    '\uD7FF',
    '\u{10000}',
    '\u{1F600}',
    '\u{1F601}',
    '\u{1F600}a',
    'é',
    'ab',
  ];
  for (const a of some)
    for (const b of some)
      expect(Math.sign(compareKeys(a, b)), `${a} ${b}`).toBe(
        Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))),
      );
});
