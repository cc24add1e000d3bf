/**
 * Filling the values that unchanged TOASTed columns leave out, compared with a model that knows every value. A filled value
 * equals the row's value, and a hole stays only if no known version has the value.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Lsn } from '../../core/types/lsn.ts';
import { type PendingChange, type PreviousVersion, versionKey } from '../../core/types/stored.ts';
import { fillPartial, neededVersions, type PlacedChange } from '../../core/versions/fill-partial.ts';

const COLUMNS = ['id', 'a', 'b"', 'c'];
const RELATION = 7;
const START = 100n as Lsn;

/** JSON texts as rows contain them, also with white space around a value of a json column. */
const fragment = fc.oneof(
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.jsonValue().map((value) => ` ${JSON.stringify(value)}\n\t`),
);
const key = fc.constantFrom('["1"]', '["2"]', '["3"]');
const step = fc.record({
  kind: fc.constantFrom('insert', 'update', 'rekey', 'delete'),
  key,
  to: key,
  values: fc.array(fragment, { minLength: COLUMNS.length, maxLength: COLUMNS.length }),
  /** The columns that an update does not change, and so leaves out of the stream. */
  unchanged: fc.array(fc.boolean(), { minLength: COLUMNS.length, maxLength: COLUMNS.length }),
  newTransaction: fc.boolean(),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const rowText = (values: readonly string[]): string =>
  `{${COLUMNS.map((name, index) => `${JSON.stringify(name)}:${values[index]}`).join(',')}}`;

interface Built {
  readonly changes: PlacedChange[];
  /** The expected row after each change. */
  readonly expected: (string | null)[];
}

/** Plays the steps on a model; steps that a table would refuse are left out. */
function play(steps: readonly Step[], table: Map<string, string[]>, certain: boolean): Built {
  const built: Built = { changes: [], expected: [] };
  let lsn = START;
  const push = (
    op: 'I' | 'U' | 'D',
    at: string,
    previousKey: string,
    row: string[] | null,
    holes: boolean[] | null,
  ): void => {
    const partial =
      holes === null || row === null || !holes.includes(true)
        ? null
        : {
            columns: COLUMNS,
            fragments: row.map((value, index) => (holes[index] ? undefined : value)),
            holesAreCertain: certain,
          };
    const change: PendingChange = {
      relationId: RELATION,
      leafId: null,
      seq: built.changes.length,
      op,
      texts: null,
      key: at,
      previousKey,
      rowData: row === null || partial !== null ? null : rowText(row),
      partial,
      incomplete: null,
      doubtfulNulls: null,
      nullsAssumed: false,
      jsonNulls: null,
    };
    built.changes.push({ lsn, change });
    built.expected.push(row === null ? null : rowText(row));
  };
  for (const { kind, key: from, to, values, unchanged, newTransaction } of steps) {
    if (newTransaction) lsn = (lsn + 10n) as Lsn;
    const old = table.get(from);
    if (kind === 'insert' && old === undefined) {
      table.set(from, values);
      push('I', from, from, values, null);
    } else if (kind === 'delete' && old !== undefined) {
      table.delete(from);
      push('D', from, from, null, null);
    } else if (kind === 'update' && old !== undefined) {
      const row = old.map((value, index) => (unchanged[index] ? value : values[index]!));
      table.set(from, row);
      push('U', from, from, row, unchanged);
    } else if (kind === 'rekey' && old !== undefined && !table.has(to)) {
      const row = old.map((value, index) => (unchanged[index] ? value : values[index]!));
      table.delete(from);
      table.set(to, row);
      push('D', from, from, null, null);
      push('I', to, from, row, unchanged);
    }
  }
  return built;
}

test.each([true, false])(
  'every hole is filled with the value of the row before (certain holes: %s)',
  (certain) => {
    const stored = fc.dictionary(
      key,
      fc.array(fragment, { minLength: COLUMNS.length, maxLength: COLUMNS.length }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), stored, (steps, rows) => {
        const { changes, expected } = play(steps, new Map(Object.entries(rows)), certain);
        // only what is requested is looked up
        const versions = new Map<string, PreviousVersion>();
        for (const { key: asked } of neededVersions(changes)) {
          const row = rows[asked];
          if (row === undefined) continue;
          versions.set(versionKey(RELATION, asked), {
            lsn: 50n as Lsn,
            rowData: rowText(row),
            incomplete: null,
            jsonNulls: null,
            readLsn: null,
          });
        }
        fillPartial(changes, versions, () => 0n as Lsn);
        expect(changes.map(({ change }) => change.rowData)).toEqual(expected);
        expect(changes.every(({ change }) => change.partial === null && change.incomplete === null)).toBe(
          true,
        );
      }),
      { numRuns: 200 },
    );
  },
);

const hole = (more: Partial<PendingChange> = {}): PendingChange => ({
  relationId: RELATION,
  leafId: null,
  seq: 0,
  op: 'U',
  texts: null,
  key: '["1"]',
  previousKey: '["1"]',
  rowData: null,
  partial: { columns: ['id', 'a'], fragments: ['1', undefined], holesAreCertain: true },
  incomplete: null,
  doubtfulNulls: null,
  nullsAssumed: false,
  jsonNulls: null,
  ...more,
});

const version = (more: Partial<PreviousVersion> = {}): Map<string, PreviousVersion> =>
  new Map([
    [
      versionKey(RELATION, '["1"]'),
      {
        lsn: 50n as Lsn,
        rowData: '{"id":1,"a":"x"}',
        incomplete: null,
        jsonNulls: null,
        readLsn: null,
        ...more,
      },
    ],
  ]);

function filled(
  change: PendingChange,
  stored: Map<string, PreviousVersion>,
  since: bigint | null = 0n,
): unknown[] {
  fillPartial([{ lsn: START, change }], stored, () => since as Lsn | null);
  return [change.rowData, change.incomplete];
}

test('a baseline row is used for changes after it was read, not for earlier ones', () => {
  expect(filled(hole(), version({ readLsn: 99n as Lsn }))).toEqual(['{"id":1,"a":"x"}', null]);
  expect(filled(hole(), version({ readLsn: START }))).toEqual(['{"id":1}', ['a']]);
  expect(filled(hole(), version({ readLsn: 101n as Lsn }))).toEqual(['{"id":1}', ['a']]);
});

test('a version from before the column had its name is not used', () => {
  expect(filled(hole(), version(), 49n)).toEqual(['{"id":1,"a":"x"}', null]);
  expect(filled(hole(), version(), 50n)).toEqual(['{"id":1}', ['a']]);
  expect(filled(hole(), version(), null)).toEqual(['{"id":1}', ['a']]);
});

test('columns that the version before lacks stay unknown, and JSON null stays JSON null', () => {
  expect(filled(hole(), new Map())).toEqual(['{"id":1}', ['a']]);
  expect(filled(hole(), version({ rowData: '{"id":1}', incomplete: ['a'] }))).toEqual(['{"id":1}', ['a']]);
  const change = hole();
  filled(change, version({ rowData: '{"id":1,"a": null }', jsonNulls: ['a'] }));
  expect([change.rowData, change.jsonNulls]).toEqual(['{"id":1,"a": null }', ['a']]);
});
