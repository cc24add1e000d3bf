/** Another session uses the slot of the node, such as a session that a dead run leaves behind for a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { keepPolling } from '../../../../cli/serve/background.ts';
import { poll } from '../../../../core/poll.ts';
import { advanceSlot } from '../../../../core/source/slot/advance.ts';
import { dropSlot } from '../../../../core/source/slot/slot-lifecycle.ts';
import { parseLsn } from '../../../../core/types/lsn.ts';
import { startReading } from '../../../support/slot-reader.ts';
import { trackedNode } from '../../../support/tracked-node.ts';

test('a run waits until the session has ended, its time is up, or it is aborted', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
    track: ['t'],
  });
  await node.source.query('INSERT INTO t VALUES (1)');
  await startReading(node.sourceUrl, node.slot, node.publication);
  expect(await poll({ ...node, maxSeconds: 1 })).toMatchObject({ outcome: 'deadline', changes: 0 });
  const stopping = new AbortController();
  const { sourceUrl, storeUrl } = node;
  const polling = keepPolling({
    databases: { sourceUrl, storeUrl, node: node.node },
    everyMs: 1_000,
    signal: stopping.signal,
    note: () => {},
  });
  await sleep(500);
  stopping.abort();
  expect(await polling, 'a run that is told to stop has not failed').toMatchObject({
    runs: 0,
    failedRuns: 0,
  });
  const running = node.poll();
  await sleep(300);
  await node.source.query(
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1::name',
    [node.slot],
  );
  expect(await running).toMatchObject({ outcome: 'done', changes: 1, caughtUp: true });
});

test('a slot that another session reads is not dropped, and a slot does not move back; errors have our codes', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
    track: ['t'],
  });
  const before = parseLsn('0/1');
  expect(await advanceSlot(node.source, node.slot, before), 'it stands further already').toBeNull();
  await expect(advanceSlot(node.source, 'no_such_slot', before)).rejects.toMatchObject({ code: '42704' });
  await startReading(node.sourceUrl, node.slot, node.publication);
  await expect(dropSlot(node.source, node.slot)).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  await node.source.query(
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1::name',
    [node.slot],
  );
});
