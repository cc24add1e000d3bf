/** `extension views`: makes, renews and removes the schema of views. */
import { expect, test } from 'vitest';
import { pastSource } from '../../support/past-source.ts';
import { runCli } from '../../support/run-cli.ts';

const TABLES = `
  CREATE TABLE orders (id int PRIMARY KEY, secret text, note text); INSERT INTO orders VALUES (1, 's', 'n');
  CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY); CREATE TABLE gone (id int PRIMARY KEY)`;

test('the views follow the tracked tables, and nothing is left of them', async () => {
  await using past = await pastSource({ plugin: 'pgoutput', tables: TABLES });
  const { node } = past;
  await node.track('shop.orders');
  await node.track('orders', { exclude: ['secret'] });
  await node.track('gone');
  const cli = async (...args: string[]) => {
    const { stdout, stderr, code } = await runCli(['extension', ...args, '--json'], { env: node.env });
    return { code, said: code === 0 ? JSON.parse(stdout) : stderr };
  };
  const views = async () => {
    const { rows } = await node.source.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'asof' AND c.relkind = 'v' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };

  expect(await cli('views')).toEqual({
    code: 0,
    said: {
      views: [
        { view: 'asof.shop.orders', table: 'shop.orders', left_out: [] },
        { view: 'asof.orders', table: 'public.orders', left_out: ['secret'] },
        { view: 'asof.gone', table: 'public.gone', left_out: [] },
      ],
      removed: [],
    },
  });
  expect(await views()).toEqual(['gone', 'orders', 'shop.orders']);

  await node.source.query('ALTER TABLE orders ADD more int');
  await runCli(['untrack', 'gone'], { env: node.env });
  const renewed = await cli('views', 'orders');
  expect(renewed.said).toMatchObject({ views: [{ view: 'asof.orders' }], removed: ['gone'] });
  expect(await views()).toEqual(['orders', 'shop.orders']);
  const at = await past.mark();
  expect(await past.asOf(at, 'SELECT * FROM asof.orders')).toEqual([{ id: 1, note: 'n', more: null }]);

  expect((await cli('views', 'nowhere')).code).toBe(2);
  expect((await cli('views', '--remove', 'orders')).code).toBe(2);
  await node.source.query('CREATE VIEW public.mine AS TABLE asof.orders');
  const kept = await cli('views');
  expect([kept.code, kept.said]).toEqual([1, expect.stringMatching(/other objects depend on it/)]);
  await node.source.query('DROP VIEW public.mine');

  expect((await cli('views', '--remove')).said).toEqual({ removed: ['orders', 'shop.orders'] });
  expect((await node.source.query(`SELECT FROM pg_namespace WHERE nspname = 'asof'`)).rowCount).toBe(0);
  await cli('views');
  await node.source.query('CREATE TABLE asof.mine (id int)');
  expect((await cli('uninstall')).code).toBe(0);
  expect(await views()).toEqual([]);
  expect((await node.source.query(`SELECT to_regclass('asof.mine') AS kept`)).rows).toEqual([
    { kept: 'asof.mine' },
  ]);
});
