/**
 * A source that was dumped and restored has new OIDs everywhere. After `rebaseline --node` its history continues, with the same
 * tables.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../../../../cli/servers/run-program.ts';
import { diagnose } from '../../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../../core/doctor/facts.ts';
import { clientProgram, describeNeeding } from '../../../support/needs.ts';
import { ownSource } from '../../../support/own-source.ts';

const TABLES = `CREATE TYPE mood AS ENUM ('sad', 'glad');
  CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, secret text, feels mood DEFAULT 'glad');
  INSERT INTO orders VALUES (1, 10, 'hush'), (2, 20, 'hush');
  CREATE TABLE parts (id int, region text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
  CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
  INSERT INTO parts VALUES (1, 'eu')`;

describeNeeding(clientProgram('pg_dump'), 'a source of which a dump was restored', () => {
  test('has a complete history again after rebaseline --node', async () => {
    await using node = await ownSource({
      plugin: 'pgoutput',
      tables: TABLES,
      track: ['orders'],
      exclude: ['secret'],
    });
    const { track } = await import('../../../../core/track.ts');
    const parts = { schema: 'public', name: 'parts' };
    await track({ ...node.urls, table: parts, exclude: [], baseline: true, retention: '30d' });
    await node.sql('UPDATE orders SET total = 11 WHERE id = 1');
    await node.poll();
    const before = await node.horizon();

    const file = join(node.server.folder, 'dump.sql');
    const url = node.server.url('source');
    const dump = await runProgram(join(node.server.binDir, 'pg_dump'), ['-f', file, '-d', url]);
    expect(dump.output).toBe('');
    await node.sql('DELETE FROM orders WHERE id = 2'); // after the dump: the restored table has this row again
    await node.server.dropDatabase('source');
    await node.server.createDatabase('padding'); // so that OIDs differ
    await node.server.createDatabase('source');
    const restore = await runProgram(join(node.server.binDir, 'psql'), [
      '-q',
      '-v',
      'ON_ERROR_STOP=1',
      '-f',
      file,
      '-d',
      url,
    ]);
    expect(restore.code, restore.output).toBe(0);
    await node.sql('INSERT INTO orders VALUES (3, 30)');

    expect(await node.poll()).toMatchObject({ outcome: 'gap' });
    expect(await node.rebaseline()).toMatchObject({ tables: ['public.orders', 'public.parts'], ended: [] });
    expect(await node.state('1')).toBe('found 11');
    expect(await node.state('2')).toBe('found 20');
    expect(await node.state('3')).toBe('found 30');
    expect(await node.state('1', before)).toBe('found 11');
    await node.sql(
      `UPDATE orders SET feels = 'sad', total = 31 WHERE id = 3; INSERT INTO parts VALUES (2, 'eu')`,
    );
    await node.poll();
    expect(await node.state('3')).toBe('found 31');
    const { rows } = await node.databases.store.query(
      `SELECT table_name, retention::text, excluded_columns FROM pgtimewarp.tracked_relations ORDER BY table_name`,
    );
    expect(rows).toEqual([
      { table_name: 'orders', retention: null, excluded_columns: ['secret'] },
      { table_name: 'parts', retention: '30 days', excluded_columns: [] },
    ]);
    const leaked = await node.databases.store.query(
      `SELECT count(*)::int AS n FROM pgtimewarp.row_changes WHERE row_data::text LIKE '%hush%'`,
    );
    expect(leaked.rows).toEqual([{ n: 0 }]);
    expect(diagnose(await gatherFacts(node.urls)).checks.filter((check) => check.status !== 'ok')).toEqual(
      [],
    );
  });
});
