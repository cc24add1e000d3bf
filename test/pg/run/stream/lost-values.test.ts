/** Values that a plugin loses: `incomplete` names the column, no answer shows another value, and one event reports each column. */
import { expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf } from '../../../support/plugins.ts';
import { serverInfo } from '../../../support/server-info.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

interface Row {
  readonly pk: string;
  readonly row: string;
  readonly incomplete: string[] | null;
}

describeNeeding(needOf('wal2json'), 'values that wal2json loses', () => {
  const tables = 'CREATE TABLE m (id int PRIMARY KEY, n numeric, f float8 NOT NULL, t text)';

  test('NULL is null and NaN is incomplete, while the source has the row', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables, track: ['m'] });
    await node.source.query(
      `INSERT INTO m VALUES (1, NULL, 1), (2, 'NaN', 2), (3, 1.10, 'Infinity'), (4, '-Infinity', 4)`,
    );
    await node.catchUp();
    expect(await rowsOf(node)).toEqual([
      { pk: '["1"]', row: '{"id":1,"n":null,"f":1,"t":null}', incomplete: null },
      { pk: '["2"]', row: '{"id":2,"f":2,"t":null}', incomplete: ['n'] },
      { pk: '["3"]', row: '{"id":3,"n":1.10,"t":null}', incomplete: ['f'] },
      { pk: '["4"]', row: '{"id":4,"f":4,"t":null}', incomplete: ['n'] },
    ]);
    await node.source.query(`UPDATE m SET t = 'again'`);
    await node.catchUp();
    expect(await eventsOf(node)).toEqual(['f', 'n']);
  });

  test('a row that the source no longer has, or wrote in a subtransaction, is incomplete until a later version', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables, track: ['m'] });
    await node.source.query('INSERT INTO m VALUES (1, NULL, 1)');
    await node.source.query(`UPDATE m SET n = 'NaN'`);
    await node.source.query('BEGIN; SAVEPOINT s; INSERT INTO m VALUES (2, NULL, 2); RELEASE s; COMMIT');
    // twice in one transaction: the source does not have the first version
    await node.source.query(
      `BEGIN; INSERT INTO m VALUES (3, 'NaN', 3); UPDATE m SET n = NULL WHERE id = 3; COMMIT`,
    );
    await node.catchUp();
    expect((await rowsOf(node)).map(({ pk, incomplete }) => [pk, incomplete])).toEqual([
      ['["1"]', ['n']],
      ['["1"]', ['n']],
      ['["2"]', ['n']],
      ['["3"]', ['n']],
      ['["3"]', null],
    ]);
    await node.source.query(`UPDATE m SET t = 'x' WHERE id = 2`);
    await node.catchUp();
    expect((await rowsOf(node)).filter(({ pk }) => pk === '["2"]').at(-1)!.row).toBe(
      '{"id":2,"n":null,"f":2,"t":"x"}',
    );
  });

  test('a null of a NOT NULL column with a declared precision is NaN', async () => {
    await using node = await trackedNode({
      plugin: 'wal2json',
      tables: `CREATE TABLE m (id int PRIMARY KEY, p numeric(10,2) NOT NULL, q numeric(10,2), t text)`,
      track: ['m'],
    });
    await node.source.query(`INSERT INTO m VALUES (1, 'NaN', 1)`);
    await node.catchUp();
    // declared NOT NULL after the change: it was NULL then
    await node.source.query('INSERT INTO m VALUES (2, 2, NULL)');
    await node.source.query('UPDATE m SET q = 2 WHERE id = 2');
    await node.source.query('ALTER TABLE m ALTER q SET NOT NULL');
    await node.catchUp();
    expect((await rowsOf(node)).slice(0, 2)).toEqual([
      { pk: '["1"]', row: '{"id":1,"p":"NaN","q":1.00,"t":null}', incomplete: null },
      { pk: '["2"]', row: '{"id":2,"p":2.00,"t":null}', incomplete: ['q'] },
    ]);
  });

  test('init finds out that the plugin does not know numbers as texts; a run with a wrong setting corrects it and continues', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables, track: ['m'] });
    const known = async () => {
      const { rows } = await node.store.query<{ known: string }>(
        `SELECT meta ->> 'numbers_as_text' AS known FROM pgtimewarp.nodes WHERE node_id = $1`,
        [node.node],
      );
      return rows[0]!.known;
    };
    expect(await known()).toBe('false');
    await node.store.query(`UPDATE pgtimewarp.nodes SET meta = meta || '{"numbers_as_text": true}'`);
    await node.source.query(`INSERT INTO m VALUES (1, 'NaN', 1)`);
    await node.catchUp();
    expect(await rowsOf(node)).toEqual([{ pk: '["1"]', row: '{"id":1,"f":1,"t":null}', incomplete: ['n'] }]);
    expect(await known()).toBe('false');
  });

  test('a locked table is not waited for', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables, track: ['m'] });
    await node.source.query('INSERT INTO m VALUES (1, NULL, 1)');
    await node.source.query('BEGIN; LOCK TABLE m');
    await node.catchUp();
    await node.source.query('ROLLBACK');
    expect(await rowsOf(node)).toEqual([{ pk: '["1"]', row: '{"id":1,"f":1,"t":null}', incomplete: ['n'] }]);
  });
});

describeNeeding(needOf('wal2json'), 'a table that is declared to hold no NaN', () => {
  const tables = `CREATE TABLE m (id int PRIMARY KEY, n numeric, f float8 NOT NULL, t text);
                  INSERT INTO m VALUES (0, NULL, 0)`;

  test('every null counts as NULL, whatever wrote the row, and answers with such a null say so', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables });
    await node.track('m', { noNan: true });
    await node.source.query('INSERT INTO m VALUES (1, NULL, 1)');
    await node.source.query('UPDATE m SET n = 7 WHERE id = 1');
    await node.source.query('BEGIN; SAVEPOINT s; INSERT INTO m VALUES (2, NULL, 2); RELEASE s; COMMIT');
    await node.source.query('INSERT INTO m SELECT i, NULL, i FROM generate_series(100, 30099) AS i');
    await node.catchUp();
    const { rows } = await node.store.query<{ incomplete: number; assumed: number; rows: number }>(
      `SELECT count(incomplete)::int AS incomplete, count(nulls_assumed)::int AS assumed, count(*)::int AS rows
         FROM pgtimewarp.row_changes`,
    );
    expect(rows).toEqual([{ incomplete: 0, assumed: 30_002, rows: 30_004 }]);
    expect(await assumptions(node)).toEqual([
      ['["0"]', null], // the value comes from the table
      ['["1"]', null], // no NULL in such a column
      ['["100"]', 'no-nan'],
      ['["2"]', 'no-nan'],
    ]);
    const { rows: changes } = await node.store.query<{ op: string; assumes: string | null }>(
      `SELECT d.op, d.assumes
         FROM pgtimewarp.diff_changes($1, 'public', 'm', '1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) AS d`,
      [node.node],
    );
    expect(changes).toEqual([
      { op: 'I', assumes: 'no-nan' },
      { op: 'U', assumes: null },
    ]);
  });

  test('is ignored after the log has shown a value that contradicts it', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables });
    await node.track('m', { noNan: true });
    await node.source.query(`INSERT INTO m VALUES (1, NULL, 'Infinity')`);
    await node.catchUp();
    await node.source.query(`INSERT INTO m VALUES (2, 'NaN', 'Infinity')`);
    await node.catchUp();
    expect((await rowsOf(node)).slice(1)).toEqual([
      { pk: '["1"]', row: '{"id":1,"n":null,"t":null}', incomplete: ['f'] },
      { pk: '["2"]', row: '{"id":2,"t":null}', incomplete: ['f', 'n'] },
    ]);
    expect(await falseDeclarations(node)).toEqual(['f']);
  });

  test('track refuses it if the table holds NaN', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables });
    await node.source.query(`INSERT INTO m VALUES (1, 'NaN', 1)`);
    await expect(node.track('m', { noNan: true })).rejects.toMatchObject({ code: 'NO_NAN_FALSE' });
    expect(await falseDeclarations(node)).toEqual(['n']);
    await node.source.query('INSERT INTO m VALUES (2, NULL, 2)');
    await node.catchUp();
    expect(await assumptions(node)).toContainEqual(['["2"]', null]); // the source was asked
  });

  test('track mentions it if NULLs may become incomplete', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables });
    expect((await node.track('m')).notes).toEqual([
      expect.stringMatching(/will call some NULLs of n incomplete.*--no-nan/),
    ]);
    await using declared = await trackedNode({ plugin: 'wal2json', tables });
    expect(await declared.track('m', { noNan: true })).toMatchObject({ noNan: true, notes: [] });
  });
});

/** The basis of answers about some keys of `m`, through both query functions of the store. */
async function assumptions(node: TrackedNode): Promise<[string, string | null][]> {
  const { rows } = await node.store.query<{ pk: string; answer: string; each: string; assumes: string }>(
    `SELECT c.pk, a.answer::text AS answer, e.answer AS each, a.answer ->> 'assumes' AS assumes
       FROM (SELECT DISTINCT c.pk FROM pgtimewarp.row_changes AS c WHERE c.pk IN ('["0"]', '["1"]', '["2"]', '["100"]')) AS c
      CROSS JOIN LATERAL pgtimewarp.asof_answer($1, 'public', 'm', c.pk::jsonb -> 0, $2, NULL, 'x') AS a
      CROSS JOIN LATERAL pgtimewarp.asof_each($1, 'public', 'm', ARRAY[c.pk::jsonb -> 0], ARRAY[$2::timestamptz],
                           ARRAY[NULL::pg_lsn], ARRAY['x']) AS e
      ORDER BY 1`,
    [node.node, new Date().toISOString()],
  );
  for (const { answer, each } of rows) expect(each).toBe(answer);
  return rows.map(({ pk, assumes }) => [pk, assumes]);
}

async function falseDeclarations(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ column: string }>(
    `SELECT meta ->> 'column' AS column FROM pgtimewarp.health_events WHERE code = 'NO_NAN_FALSE' ORDER BY id`,
  );
  return rows.map(({ column }) => column);
}

test('pgoutput before 18 leaves stored generated columns out: incomplete, reported once', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE m (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED)',
    track: ['m'],
  });
  await node.source.query('INSERT INTO m VALUES (1), (2)');
  await node.catchUp();
  const carried = Number.parseInt(serverInfo().version, 10) >= 18;
  expect(await rowsOf(node)).toEqual(
    [1, 2].map((id) => ({
      pk: `["${id}"]`,
      row: carried ? `{"id":${id},"g":${id * 2}}` : `{"id":${id}}`,
      incomplete: carried ? null : ['g'],
    })),
  );
  expect(await eventsOf(node)).toEqual(carried ? [] : ['g']);
});

async function rowsOf(node: TrackedNode): Promise<Row[]> {
  const { rows } = await node.store.query<Row>(
    'SELECT pk, row_data::text AS row, incomplete FROM pgtimewarp.row_changes ORDER BY pk, valid_from_lsn, seq',
  );
  return rows;
}

async function eventsOf(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ column: string }>(
    `SELECT meta ->> 'column' AS column FROM pgtimewarp.health_events WHERE code = 'COLUMN_INCOMPLETE' ORDER BY 1`,
  );
  return rows.map(({ column }) => column);
}
