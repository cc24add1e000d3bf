/** The rows of a relation as of a position: which version holds, whether the row was there, and page after page in the order of keys. */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseUrl, dropDatabase } from '../../../cli/servers/databases.ts';
import { inTransaction } from '../../../core/pg/transaction.ts';
import { migrate } from '../../../core/store/schema/migrate.ts';
import { writeDeletionsOfGap } from '../../../core/store/tables/baseline.ts';
import { serverInfo } from '../../support/server-info.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

interface RowAt {
  readonly pk: string;
  readonly is_there: boolean | null;
  readonly op: string;
  readonly valid_from_lsn: string;
}

interface Asked {
  readonly after?: string;
  readonly upto?: string;
  readonly limit?: number;
  readonly keys?: readonly string[];
}

async function rowsAt(
  store: pg.Client,
  relation: number | null,
  n: number,
  { after, upto, limit, keys }: Asked = {},
): Promise<RowAt[]> {
  const { rows } = await store.query<RowAt>(
    `SELECT r.pk, r.is_there, r.op, r.valid_from_lsn
       FROM pgtimewarp.rows_at($1, $2, p_after => $3, p_upto => $4, p_limit => $5, p_keys => $6) AS r`,
    [relation, lsnOf(n), after ?? null, upto ?? null, limit ?? null, keys ?? null],
  );
  return rows;
}

/** `I20`, `(D30)` for a row that is gone, `?S10` for one that the version cannot tell; by page and by key the same. */
async function stateAt(relation: number, n: number, key = '1'): Promise<string> {
  const pk = key.startsWith('[') ? key : JSON.stringify([key]);
  const all = (await rowsAt(databases.store, relation, n)).filter((row) => row.pk === pk);
  expect(await rowsAt(databases.store, relation, n, { keys: [pk] })).toEqual(all);
  return all
    .map(({ is_there: there, op, valid_from_lsn: lsn }) => {
      const version = `${op}${Number.parseInt(lsn.slice(2), 16) / 256}`;
      return there === null ? `?${version}` : there ? version : `(${version})`;
    })
    .join();
}

describe('a key', () => {
  let t: number;
  let h: StoreHistory;
  beforeAll(async () => {
    h = await StoreHistory.create(databases.store);
    t = await h.track();
  });
  const states = async (key: string, ...numbers: number[]): Promise<string> => {
    const told: string[] = [];
    for (const n of numbers) told.push(await stateAt(t, n, key));
    return told.join(' ');
  };

  test('has its last version at or before the position', async () => {
    await h.change(t, 20, 'I', '1');
    await h.change(t, 30, 'U', '1');
    await h.change(t, 40, 'D', '1');
    await h.change(t, 50, 'I', '1');
    expect(await states('1', 19, 20, 29, 30, 39)).toBe(' I20 I20 U30 U30');
    expect(await states('1', 40, 49, 50)).toBe('(D40) (D40) I50');
  });

  test('has the last one within a commit', async () => {
    await h.change(t, 20, 'I', '2');
    await h.change(t, 20, 'D', '2', { seq: 1 });
    await h.change(t, 20, 'I', '2', { seq: 2, row: '{"n":2}' });
    await h.change(t, 20, 'D', '3', { seq: 4 });
    await h.change(t, 20, 'I', '3', { seq: 3 });
    expect(await states('2', 20)).toBe('I20');
    expect(await states('3', 20)).toBe('(D20)');
  });

  test('a TRUNCATE at or before the position closes its version', async () => {
    await h.change(t, 60, 'I', '4');
    await h.truncate(t, 61);
    expect(await states('4', 60, 61, 62)).toBe('I60 (I60) (I60)');
    await h.change(t, 63, 'I', '4');
    expect(await states('4', 63)).toBe('I63');
  });

  test('within one commit the order of the changes decides', async () => {
    await h.change(t, 65, 'I', '5');
    await h.truncate(t, 65, { seq: 1 });
    await h.change(t, 65, 'I', '6', { seq: 2 });
    expect(await states('5', 65)).toBe('(I65)');
    expect(await states('6', 65)).toBe('I65');
  });

  test('a TRUNCATE of a partition closes what lies in it', async () => {
    await h.change(t, 70, 'I', '7', { leaf: 1 });
    await h.change(t, 70, 'I', '8', { leaf: 2 });
    await h.truncate(t, 71, { leaf: 1 });
    expect(await states('7', 71)).toBe('(I70)');
    expect(await states('8', 71)).toBe('I70');
  });

  test('a row that was read stands after all that happened at its position', async () => {
    await h.truncate(t, 75, { seq: 3 });
    await h.change(t, 75, 'S', '9', { read: 75, seq: 2_147_483_646 });
    await h.change(t, 76, 'S', '9b', { read: 76, row: '{}' });
    expect(await states('9', 75)).toBe('S75');
    expect(await states('9b', 76)).toBe('S76');
  });

  test('a row that was read after the position is not certain once the key has changed by then', async () => {
    await h.change(t, 80, 'S', '10', { read: 85 });
    await h.change(t, 80, 'S', '11', { read: 85 });
    await h.change(t, 84, 'U', '11');
    await h.change(t, 80, 'S', '12', { read: 85 });
    await h.change(t, 86, 'U', '12');
    expect(await states('10', 80, 84, 85)).toBe('S80 S80 S80');
    expect(await states('11', 80, 83, 84)).toBe('?S80 ?S80 U84');
    expect(await states('12', 80, 85, 86)).toBe('S80 S80 U86');
  });

  test('asked for twice is told once, unknown it is left out', async () => {
    const keys = ['["2"]', '["none"]', '["2"]', '["1"]'];
    expect((await rowsAt(databases.store, t, 50, { keys })).map(({ pk }) => pk)).toEqual(['["1"]', '["2"]']);
    expect(await rowsAt(databases.store, t, 50, { keys: [] })).toEqual([]);
    expect(
      (await rowsAt(databases.store, t, 50, { keys, after: '["1"]', limit: 1 })).map(({ pk }) => pk),
    ).toEqual(['["2"]']);
  });

  test('no relation has no rows', async () => {
    expect(await rowsAt(databases.store, null, 50)).toEqual([]);
  });
});

/** Those that sort otherwise in most languages, as letters of text and as parts of a composite key. */
const TEXTS = [
  '',
  ' ',
  '!',
  '"',
  '-',
  '1',
  '10',
  '2',
  'A',
  'B',
  'Z',
  '_',
  'a',
  'aa',
  'a b',
  'ab',
  'b',
  'z',
  'Ä',
  'ä',
  'ß',
  'é',
  '中',
  '😀',
];
const KEYS = [
  ...TEXTS.map((text) => JSON.stringify([text])),
  ...TEXTS.flatMap((text) => ['a', 'B', '10'].map((second) => JSON.stringify([text, second]))),
];
const byBytes = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

/** A store whose order of text is English, where the server has ICU. */
async function englishStore(): Promise<{ store: pg.Client } & AsyncDisposable> {
  const { adminUrl } = serverInfo();
  const name = `english_${randomBytes(5).toString('hex')}`;
  const admin = await connectForTest(adminUrl);
  const { rows } = await admin.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  const icu = rows[0]!.version >= 150_000 ? ` LOCALE_PROVIDER icu ICU_LOCALE 'en-US'` : '';
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'${icu}`);
  await admin.end();
  const store = await connectForTest(databaseUrl(adminUrl, name));
  await migrate(store);
  return {
    store,
    [Symbol.asyncDispose]: async () => {
      await store.end();
      await dropDatabase(adminUrl, name);
    },
  };
}

describe('pages', () => {
  let english: { store: pg.Client } & AsyncDisposable;
  let h: StoreHistory;
  let t: number;
  beforeAll(async () => {
    english = await englishStore();
    h = await StoreHistory.create(english.store);
    t = await h.track({ kinds: ['text'] });
    for (const [index, key] of KEYS.entries()) {
      await h.change(t, 20, 'I', key, { seq: 10 * index, row: '{}' });
      if (index % 3 === 0) await h.change(t, 30, 'U', key, { seq: 10 * index, row: '{}' });
      if (index % 5 === 0) await h.change(t, 40, 'D', key, { seq: 10 * index });
    }
  });
  afterAll(() => english[Symbol.asyncDispose]());

  test.each([1, 2, 7, 1000])('of %s keys join to all of them, in the order of their bytes', async (limit) => {
    for (const n of [25, 35, 45]) {
      const all = await rowsAt(english.store, t, n);
      expect(all.map(({ pk }) => pk)).toEqual([...KEYS].sort(byBytes));
      expect(all.filter(({ is_there: there }) => there === false).length).toBe(
        n === 45 ? Math.ceil(KEYS.length / 5) : 0,
      );
      const joined: RowAt[] = [];
      for (;;) {
        const page = await rowsAt(english.store, t, n, { after: joined.at(-1)?.pk, limit });
        joined.push(...page);
        if (page.length < limit) break;
      }
      expect(joined).toEqual(all);
    }
  });

  test('end at a key, which is among them', async () => {
    const sorted = [...KEYS].sort(byBytes);
    const [after, upto] = [sorted[5]!, sorted[9]!];
    const pks = async (asked: Asked): Promise<string[]> =>
      (await rowsAt(english.store, t, 25, asked)).map(({ pk }) => pk);
    expect(await pks({ after, upto })).toEqual(sorted.slice(6, 10));
    expect(await pks({ after, upto, limit: 2 })).toEqual(sorted.slice(6, 8));
    expect(await pks({ upto: after })).toEqual(sorted.slice(0, 6));
    expect(await pks({ after, upto, keys: [...KEYS] })).toEqual(sorted.slice(6, 10));
    expect(await pks({ after: sorted.at(-1)! })).toEqual([]);
  });

  test('whoever sorts and compares what it gives does so by bytes too', async () => {
    const { rows } = await english.store.query<{ collation: string; last: string }>(
      `SELECT max(r.pk) AS last, min(pg_collation_for(r.pk)) AS collation FROM pgtimewarp.rows_at($1, $2) AS r`,
      [t, lsnOf(25)],
    );
    expect(rows[0]).toEqual({ collation: '"C"', last: [...KEYS].sort(byBytes).at(-1) });
  });

  test('the restart of a node goes through all keys, however they sort', async () => {
    // a table is tracked once
    await english.store.query(
      `UPDATE pgtimewarp.tracked_relations SET table_name = 'before' WHERE relation_id = $1`,
      [t],
    );
    const next = await h.track({ from: 50, baseline: 'pending', baselineRead: 60, kinds: ['text'] });
    await english.store.query(
      'UPDATE pgtimewarp.tracked_relations SET follows_relation_id = $2 WHERE relation_id = $1',
      [next, t],
    );
    let after: string | null = null;
    for (let steps = 0; steps < KEYS.length; steps++) {
      const last: string | null = after;
      after = await inTransaction(english.store, (tx) =>
        writeDeletionsOfGap(tx, next, { after: last, limit: 3 }),
      );
      if (after === null) break;
    }
    const { rows } = await english.store.query<{ pk: string }>(
      `SELECT pk FROM pgtimewarp.row_changes WHERE relation_id = $1 AND op = 'D' ORDER BY pk`,
      [next],
    );
    const alive = KEYS.filter((_, index) => index % 5 !== 0).sort(byBytes);
    expect(rows.map(({ pk }) => pk)).toEqual(alive);
  });
});

test('no history but its own is locked', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await h.change(t, 20, 'I');
  await databases.store.query('BEGIN');
  await rowsAt(databases.store, t, 50, { limit: 5 });
  await rowsAt(databases.store, t, 50, { keys: ['["1"]'] });
  const { rows } = await databases.store.query<{ name: string }>(
    `SELECT DISTINCT c.relname AS name FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
      WHERE l.pid = pg_backend_pid() AND c.relname ~ '^row_changes_r[0-9]+$'`,
  );
  await databases.store.query('COMMIT');
  expect(rows).toEqual([{ name: `row_changes_r${t}` }]);
});

test('a page is read by index, and no more than the page', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await databases.store.query(
    `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, row_data)
     SELECT $1, '["' || i / 5 || '"]', $2::pg_lsn + i % 5, $3, 0, 'U', 1, '{}' FROM generate_series(0, 24999) AS i`,
    [t, lsnOf(20), timeOf(20)],
  );
  await databases.store.query(`ANALYZE pgtimewarp.row_changes_r${t}`);
  await databases.store.query('BEGIN');
  expect(await rowsAt(databases.store, t, 50, { after: '["3"]', limit: 10 })).toHaveLength(10);
  const { rows } = await databases.store.query<{ sequential: number; by_index: number }>(
    `SELECT s.seq_tup_read::int AS sequential, s.idx_tup_fetch::int AS by_index
       FROM pg_stat_xact_user_tables AS s WHERE s.relname = $1`,
    [`row_changes_r${t}`],
  );
  await databases.store.query('COMMIT');
  expect(rows[0]!.sequential).toBe(0);
  expect(rows[0]!.by_index).toBeLessThan(150);
});
