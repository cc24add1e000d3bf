/** Changing or removing tables of the store needs an exclusive lock; readers of these and other tables do not wait for it. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { migrate } from '../../../core/store/schema/migrate.ts';
import { untrack } from '../../../core/track.ts';
import { at, sourceClock } from '../../support/node-questions.ts';
import { testDatabases } from '../../support/test-databases.ts';
import { trackedNode } from '../../support/tracked-node.ts';

test('untrack --purge waits for a long reader, and other sessions do not wait for untrack', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables:
      'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1)',
    track: ['a', 'b'],
  });
  const reader = await node.connect('store');
  await reader.query('BEGIN; SELECT count(*) FROM pgtimewarp.row_changes');
  let done = false;
  const purging = untrack({ ...node, table: { schema: 'public', name: 'a' }, purge: true }).then((result) => {
    done = true;
    return result;
  });
  let slowest = 0;
  for (let question = 0; question < 10; question++) {
    const asked = performance.now();
    expect((await at(node, '1', null, 'b')).status).toBe('found');
    slowest = Math.max(slowest, performance.now() - asked);
    await sleep(150);
  }
  expect(slowest).toBeLessThan(1_500);
  expect(done).toBe(false);
  await reader.query('COMMIT');
  expect(await purging).toMatchObject({ purged: true });
});

test('a removed history is only shown as expired, also after the table is tracked again', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)',
    track: ['a'],
  });
  await node.poll();
  const then = await sourceClock(node);
  await node.source.query('DELETE FROM a');
  await node.poll();
  expect(await at(node, '1', then, 'a')).toMatchObject({ status: 'found', final: true });
  const table = { schema: 'public', name: 'a' };
  for (const _ of [1, 2]) await untrack({ ...node, table, purge: true });
  const expired = { status: 'unknown', reason: 'expired', final: true };
  expect(await at(node, '1', then, 'a')).toMatchObject(expired);
  expect(await at(node, '2', then, 'a')).toMatchObject(expired);
  await node.track('a');
  await node.poll();
  expect(await at(node, '1', then, 'a')).toMatchObject(expired);
  expect(await at(node, '1', await sourceClock(node), 'a')).toMatchObject({ status: 'absent' });
});

test('migrate waits for a long reader, and other sessions do not wait for migrate', async () => {
  await using databases = await testDatabases({ store: 'empty' });
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-migrations-'));
  await cp(join(import.meta.dirname, '../../../migrations'), folder, { recursive: true });
  await migrate(databases.store, folder);
  await writeFile(
    join(folder, '9001.do.next.sql'),
    'ALTER TABLE pgtimewarp.transaction_contexts ADD COLUMN more text;',
  );
  const reader = await databases.connect('store');
  await reader.query('BEGIN; SELECT count(*) FROM pgtimewarp.transaction_contexts');
  let done = false;
  const migrating = migrate(databases.store, folder).then((result) => {
    done = true;
    return result;
  });
  const other = await databases.connect('store');
  let slowest = 0;
  for (let question = 0; question < 10; question++) {
    const asked = performance.now();
    await other.query('SELECT count(*) FROM pgtimewarp.transaction_contexts');
    slowest = Math.max(slowest, performance.now() - asked);
    await sleep(150);
  }
  expect(slowest).toBeLessThan(1_500);
  expect(done).toBe(false);
  await reader.query('COMMIT');
  expect((await migrating).applied.length).toBeGreaterThan(0);
  await rm(folder, { recursive: true });
});
