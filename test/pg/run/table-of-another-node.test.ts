/** One table under two nodes of one database: refused unless it is asked for. */
import { expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { testDatabases } from '../../support/test-databases.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const TABLES = 'CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE order_lines (id int PRIMARY KEY);';

test('a table that another node of the database tracks is refused, with the way to it', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders'] });
  const second = { ...node, node: `${node.node}_2` };
  await runCommand(['init', '--plugin', 'pgoutput'], second);
  const refused = await runCommand(['track', 'orders', '--json'], second).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: 'TABLE_OF_ANOTHER_NODE',
    message: `public.orders is tracked by node "${node.node}", which observes the same database.`,
    remedy: expect.stringContaining('pgtimewarp track public.orders --shared'),
  });
  const { rows: published } = await node.source.query(
    'SELECT FROM pg_publication_tables WHERE pubname = $1',
    [`pgtimewarp_${second.node}`],
  );
  expect(published).toEqual([]);

  // a pattern tracks the others, and runs that follow it do not take the table either
  await runCommand(['track', 'order*', '--follow'], second);
  await node.source.query('CREATE TABLE orders_later (id int PRIMARY KEY)');
  await node.track('orders_later');
  await runCommand(['poll'], second);
  const tracked = async (): Promise<unknown[]> =>
    (
      await node.store.query<{ table_name: string }>(
        `SELECT table_name FROM pgtimewarp.tracked_relations WHERE node_id = $1 AND status <> 'untracked' ORDER BY table_name`,
        [second.node],
      )
    ).rows.map((row) => row.table_name);
  expect(await tracked()).toEqual(['order_lines']);

  await runCommand(['track', 'orders', '--shared'], second);
  await runCommand(['track', 'orders'], second); // it is tracked already
  await runCommand(['track', 'order*', '--follow', '--shared'], second);
  expect(await tracked()).toEqual(['order_lines', 'orders', 'orders_later']);
});

test('a table is free again when the other node is removed, and in another database', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders'] });
  await using elsewhere = await testDatabases({ tables: TABLES });
  const far = { ...node, sourceUrl: elsewhere.sourceUrl, node: `${node.node}_far` };
  await runCommand(['init', '--plugin', 'pgoutput'], far);
  await runCommand(['track', 'orders'], far);
  await runCommand(['deinit', '--yes'], far);
  const second = { ...node, node: `${node.node}_2` };
  await runCommand(['init', '--plugin', 'pgoutput'], second);
  await expect(runCommand(['track', 'orders'], second)).rejects.toMatchObject({
    code: 'TABLE_OF_ANOTHER_NODE',
  });
  await runCommand(['deinit', '--yes'], node);
  await runCommand(['track', 'orders'], second);
});

test('of two nodes that ask at the same time, one gets the table', async () => {
  await using databases = await testDatabases({ tables: TABLES });
  const nodes = ['a', 'b'].map((name) => ({ ...databases, node: `${databases.node}_${name}` }));
  for (const each of nodes) await runCommand(['init', '--plugin', 'pgoutput'], each);
  const results = await Promise.allSettled(nodes.map((each) => runCommand(['track', 'orders'], each)));
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});
