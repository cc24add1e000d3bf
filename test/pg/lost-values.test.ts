/** What a plugin loses: the column is named in `incomplete`, never shown with another value, and said once per column. */
import { expect, test } from 'vitest';
import { describeNeeding } from '../support/needs.ts';
import { needOf } from '../support/plugins.ts';
import { serverInfo } from '../support/server-info.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

interface Row {
  readonly pk: string;
  readonly row: string;
  readonly incomplete: string[] | null;
}

describeNeeding(needOf('wal2json'), 'values that wal2json loses', () => {
  const tables = 'CREATE TABLE m (id int PRIMARY KEY, n numeric, f float8 NOT NULL, t text)';

  test('a NULL is null and a NaN incomplete, as long as the source has the row', async () => {
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

  test('a row that the source no longer has, or wrote in a subtransaction, is incomplete and later healed', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables, track: ['m'] });
    await node.source.query('INSERT INTO m VALUES (1, NULL, 1)');
    await node.source.query(`UPDATE m SET n = 'NaN'`);
    await node.source.query('BEGIN; SAVEPOINT s; INSERT INTO m VALUES (2, NULL, 2); RELEASE s; COMMIT');
    // twice in one transaction: of the first version the source knows nothing
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

  test('a table that somebody has locked is not waited for', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables, track: ['m'] });
    await node.source.query('INSERT INTO m VALUES (1, NULL, 1)');
    await node.source.query('BEGIN; LOCK TABLE m');
    await node.catchUp();
    await node.source.query('ROLLBACK');
    expect(await rowsOf(node)).toEqual([{ pk: '["1"]', row: '{"id":1,"f":1,"t":null}', incomplete: ['n'] }]);
  });
});

test('pgoutput before 18 leaves stored generated columns out: incomplete, and said once', async () => {
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
