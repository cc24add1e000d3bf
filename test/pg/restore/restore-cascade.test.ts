/** `restore --cascade`: later transactions of the same rows, and of rows that refer to them, are undone along. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (region text, id int, customer int REFERENCES customers ON DELETE CASCADE, note text, PRIMARY KEY (region, id));
CREATE TABLE other (id int PRIMARY KEY, v int);
INSERT INTO customers VALUES (1, 'ann'), (2, 'bob');
INSERT INTO orders VALUES ('eu', 1, 1, ''), ('us', 1, 2, '');
INSERT INTO other VALUES (1, 1), (2, 2);`;

describe.each(PLUGINS)('restore --cascade through %s', (plugin) => {
  let node: TrackedNode;

  beforeAll(async () => {
    node = await trackedNode({ plugin, tables: TABLES, track: ['customers', 'orders', 'other'] });
    await node.catchUp();
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  async function state(): Promise<string> {
    const { rows } = await node.source.query<{ state: string }>(
      `SELECT json_build_array((SELECT json_agg(t ORDER BY t.id) FROM customers AS t), (SELECT json_agg(t ORDER BY t.region, t.id) FROM orders AS t),
                               (SELECT json_agg(t ORDER BY t.id) FROM other AS t))::text AS state`,
    );
    return rows[0]!.state;
  }

  /** @returns the commit LSN */
  async function transaction(sql: string): Promise<string> {
    await node.source.query(`BEGIN; ${sql}; COMMIT`);
    await node.catchUp();
    const { rows } = await node.store.query<{ lsn: string }>(
      'SELECT max(lsn)::text AS lsn FROM pgtimewarp.lsn_time_map WHERE xid IS NOT NULL',
    );
    return rows[0]!.lsn;
  }

  async function restore(...args: string[]) {
    const { code, stdout } = await runCommand(['restore', ...args, '--json'], node);
    return { code, answer: JSON.parse(stdout) };
  }

  const alongOf = (answer: { taken_along: { lsn: string }[] }): string[] =>
    answer.taken_along.map(({ lsn }) => lsn);

  test('takes along what changed the same rows later, and what changed the rows of these, newest first', async () => {
    const before = await state();
    const first = await transaction(`UPDATE customers SET name = 'x' WHERE id = 1`);
    const second = await transaction(
      `UPDATE customers SET name = 'y' WHERE id = 1; UPDATE other SET v = 10 WHERE id = 1`,
    );
    const third = await transaction('UPDATE other SET v = 20 WHERE id = 1');
    await transaction('UPDATE other SET v = 5 WHERE id = 2');
    await node.source.query('UPDATE other SET v = 2 WHERE id = 2');
    const changed = await state();

    expect(await restore('--transaction', first)).toMatchObject({ code: 1, answer: { taken_along: [] } });
    const planned = await restore('--transaction', first, '--cascade');
    expect(planned).toMatchObject({ code: 0, answer: { applied: false, conflicts: [] } });
    expect(alongOf(planned.answer)).toEqual([third, second]);
    expect(planned.answer.of).toEqual([third, second, first]);
    expect(await state()).toBe(changed);
    const text = await runCommand(['restore', '--transaction', first, '--cascade'], node);
    expect(text.stdout).toContain(`the later transaction ${third} (`);

    await expect(restore('--transaction', first, '--cascade', '--max-rows', '3')).rejects.toMatchObject({
      code: 'BAD_FLAGS',
    });
    const applied = await restore('--transaction', first, '--cascade', '--apply');
    expect(applied).toMatchObject({ code: 0, answer: { applied: true } });
    expect(await state()).toBe(before);
    await restore('--transaction', applied.answer.lsn, '--apply');
    expect(await state()).toBe(changed);
    await restore('--transaction', first, '--cascade', '--apply');
    expect(await state()).toBe(before);
  });

  test('takes along rows that refer to one that is to be deleted, and a later TRUNCATE of its rows', async () => {
    const before = await state();
    const inserted = await transaction(`INSERT INTO customers VALUES (3, 'cy')`);
    await transaction(`UPDATE orders SET note = 'before it referred' WHERE region = 'us'`);
    const referred = await transaction(`UPDATE orders SET customer = 3 WHERE region = 'us'`);
    const later = await transaction(`UPDATE orders SET note = 'later' WHERE region = 'us'`);
    const planned = await restore('--transaction', inserted, '--cascade');
    expect(alongOf(planned.answer)).toEqual([later, referred]);
    expect(await restore('--transaction', inserted, '--cascade', '--apply')).toMatchObject({ code: 0 });
    await node.source.query(`UPDATE orders SET note = '' WHERE region = 'us'`);
    expect(await state()).toBe(before);

    const added = await transaction('INSERT INTO other VALUES (3, 3)');
    const truncated = await transaction('TRUNCATE other');
    const undone = await restore('--transaction', added, '--cascade', '--apply');
    expect(undone).toMatchObject({ code: 0, answer: { applied: true } });
    expect(alongOf(undone.answer)).toEqual([truncated]);
    expect(await state()).toBe(before);
  });

  test('is refused where a gap hides later transactions, and goes without a table', async () => {
    const lsn = await transaction('UPDATE other SET v = 100 WHERE id = 1');
    await transaction('UPDATE other SET v = 101 WHERE id = 1');
    await expect(restore('other', '--all', '--at', lsn, '--cascade')).rejects.toMatchObject({
      code: 'BAD_FLAGS',
    });
    await node.store.query(
      `INSERT INTO pgtimewarp.history_gaps (node_id, relation_id, from_lsn, to_lsn, from_ts, to_ts, reason)
       SELECT c.node_id, t.relation_id, c.applied_lsn - 1, c.applied_lsn, c.applied_ts - interval '1 us', c.applied_ts, 'slot_lost'
         FROM pgtimewarp.wal_checkpoints AS c JOIN pgtimewarp.tracked_relations AS t ON t.table_name = 'other'`,
    );
    await expect(restore('--transaction', lsn, '--cascade')).rejects.toMatchObject({ code: 'ROWS_UNKNOWN' });
    await node.store.query('DELETE FROM pgtimewarp.history_gaps');
    expect(await restore('--transaction', lsn, '--cascade', '--apply')).toMatchObject({ code: 0 });
  });
});
