/** `restore --defaults`: rows with columns that the history lacks come back with the defaults of these, if there are any. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
CREATE FUNCTION never(text[], text[]) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR public.= (LEFTARG = text[], RIGHTARG = text[], FUNCTION = never);
CREATE SEQUENCE ticket START 100;
CREATE TABLE people (id int PRIMARY KEY, name text, secret text DEFAULT 'unset', ticket bigint DEFAULT nextval('ticket'), note text DEFAULT 'none');
CREATE TABLE plain (id int PRIMARY KEY, name text, "no default" text);
INSERT INTO people VALUES (1, 'ann', 's1', 1, 'n1'), (2, 'bob', 's2', 2, 'n2'), (3, 'cy', 's3', 3, 'n3');
INSERT INTO plain VALUES (1, 'ann', 'x');`;

describe.each(PLUGINS)('restore --defaults through %s', (plugin) => {
  let node: TrackedNode;

  beforeAll(async () => {
    node = await trackedNode({ plugin, tables: TABLES });
    await node.track('people', { exclude: ['secret', 'ticket'] });
    await node.track('plain', { exclude: ['no default'] });
    await node.catchUp();
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  async function transaction(sql: string): Promise<string> {
    await node.source.query(sql);
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

  test('known values come back, also where rows lack different columns; the others get their defaults', async () => {
    const lsn = await transaction('DELETE FROM people WHERE id < 3');
    // as a plugin leaves it that did not send a value
    await node.store.query(
      `UPDATE pgtimewarp.row_changes SET incomplete = '{note}', row_data = '{"id":2,"name":"bob"}' WHERE pk = '["2"]' AND op = 'S'`,
    );
    await expect(restore('--transaction', lsn)).rejects.toMatchObject({ code: 'VALUES_UNKNOWN' });
    const planned = await restore('--transaction', lsn, '--defaults');
    expect(planned).toMatchObject({ code: 0, answer: { refused: [], conflicts: [] } });
    expect(planned.answer.notes).toContain('public.people: columns get their defaults: secret, ticket, note');
    expect(await restore('--transaction', lsn, '--defaults', '--apply')).toMatchObject({
      code: 0,
      answer: { applied: true, tables: [{ inserts: 2 }] },
    });
    const { rows } = await node.source.query(
      'SELECT id, name, secret, ticket >= 100 AS is_new, note FROM people ORDER BY id',
    );
    expect(rows).toEqual([
      { id: 1, name: 'ann', secret: 'unset', is_new: true, note: 'n1' },
      { id: 2, name: 'bob', secret: 'unset', is_new: true, note: 'none' },
      { id: 3, name: 'cy', secret: 's3', is_new: false, note: 'n3' },
    ]);
  });

  test('without a default it is refused, and the column is named; without --defaults in any case', async () => {
    const lsn = await transaction('DELETE FROM plain');
    expect(await restore('--transaction', lsn)).toMatchObject({
      code: 1,
      answer: {
        refused: [
          { table: 'plain', reason: 'unknown_columns', message: expect.stringContaining('no default') },
        ],
      },
    });
    for (const flags of [[], ['--apply']])
      expect(await restore('--transaction', lsn, '--defaults', ...flags)).toMatchObject({
        code: 1,
        answer: {
          applied: false,
          refused: [
            {
              table: 'plain',
              reason: 'no_default',
              message: expect.stringMatching(/no default, of no default$/),
            },
          ],
        },
      });
    const { rows } = await node.source.query('SELECT count(*)::int AS rows FROM plain');
    expect(rows).toEqual([{ rows: 0 }]);
  });

  test('a row that an update brought back keeps what it has', async () => {
    const lsn = await transaction(`UPDATE people SET name = 'z', secret = 'kept' WHERE id = 3`);
    expect(await restore('--transaction', lsn, '--defaults', '--apply')).toMatchObject({ code: 0 });
    const { rows } = await node.source.query('SELECT name, secret FROM people WHERE id = 3');
    expect(rows).toEqual([{ name: 'cy', secret: 'kept' }]);
  });
});
