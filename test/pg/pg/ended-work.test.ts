/** A removal whose time is up does nothing more, also when the database that it waited for answers at last. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { deinit } from '../../../core/setup/deinit.ts';
import { forgetSource } from '../../../core/setup/forget-source.ts';
import { untrack } from '../../../core/track.ts';
import { callProxy } from '../../support/call-proxy.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const OVER = new TimewarpError('DEADLINE', 'The time is up.');

const NOWHERE = 'postgres://127.0.0.1:1/gone';

type Settings = Parameters<typeof deinit>[0];

test.each([
  ['deinit', 'source', deinit],
  ['untrack', 'source', (settings: Settings) => untrack({ ...settings, table: parseTableName('t') })],
  [
    'deinit --forget-source',
    'store',
    (settings: Settings) => forgetSource({ ...settings, sourceUrl: NOWHERE }),
  ],
] as const)('%s, when the %s answers late', async (_, side, remove) => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
    track: ['t'],
  });
  const over = new AbortController();
  let goOn = (): void => {};
  const waits = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await using slow = await callProxy(node[`${side}Url`], { at: 1, fault: () => waits });
  const { sourceUrl, storeUrl } = node;
  const urls = { sourceUrl, storeUrl, [`${side}Url`]: slow.url };
  const settings = { ...urls, node: node.node, purge: false, over: over.signal };
  const ended = remove(settings).then(
    () => 'done',
    (error: unknown) => error,
  );
  await expect.poll(() => slow.calls()).toBe(1);
  over.abort(OVER);
  goOn();
  expect(await ended).toBe(OVER);
  await sleep(500);
  const { rows } = await node.store.query(
    `SELECT n.status AS node, t.status AS "table" FROM pgtimewarp.nodes AS n
       JOIN pgtimewarp.tracked_relations AS t USING (node_id) WHERE n.node_id = $1`,
    [node.node],
  );
  expect(rows).toEqual([{ node: 'active', table: 'active' }]);
  const slot = await node.source.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [node.slot]);
  expect(slot.rowCount).toBe(1);
});
