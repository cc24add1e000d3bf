/**
 * A standby at the address is refused and nothing changes. After its promotion it is another timeline: a gap, which rebaseline
 * ends.
 */
import { expect, test } from 'vitest';
import { pasteRemedy, troubles, verdicts } from '../../../support/doctored.ts';
import { ownSource } from '../../../support/own-source.ts';
import { startStandby } from '../../../support/standby.ts';
import { connectForTest } from '../../../support/test-client.ts';

test('a standby and its promotion', async () => {
  await using node = await ownSource({ plugin: 'pgoutput' });
  await using standby = await startStandby(node);
  const there = { ...node.urls, sourceUrl: standby.url };
  // pages to write: the checkpoint after the promotion, and with it the control file, takes its time
  await node.sql(`CREATE TABLE bulk AS SELECT g, repeat('x', 1000) FROM generate_series(1, 4000) g;
    UPDATE orders SET total = 11 WHERE id = 1`);
  await node.poll();
  await standby.catchUp();

  await expect(node.poll(standby.url)).rejects.toMatchObject({ code: 'SOURCE_IN_RECOVERY' });
  expect(verdicts(await troubles(there))).toEqual(['fail source_primary']);
  expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
  expect(await node.gaps()).toEqual([]);
  expect(await troubles(node.urls)).toEqual([]);

  const before = await node.horizon();
  await standby.promote();
  expect(await node.poll(standby.url)).toMatchObject({ outcome: 'gap' });
  const promoted = await connectForTest(standby.url);
  const { rows } = await promoted.query<{ timeline: number }>(
    'SELECT timeline_id AS timeline FROM pg_control_checkpoint()',
  );
  expect(rows).toEqual([{ timeline: 1 }]); // still that of the last checkpoint; otherwise the test proves nothing
  expect(await node.gaps()).toEqual([{ code: 'SOURCE_REPLACED', from_ts: before, to_ts: null }]);
  await promoted.query('UPDATE orders SET total = 12 WHERE id = 1; DELETE FROM orders WHERE id = 3');
  await promoted.end();
  expect(await node.state('1')).toBe('unknown in_gap');

  const found = await troubles(there);
  expect(verdicts(found)).toEqual([
    'fail node_gap',
    'fail source_timeline',
    'fail slot_present',
    'fail gap_open',
  ]);
  await pasteRemedy(there, found, 'source_timeline', 1); // it is the successor
  expect(await troubles(there)).toEqual([]);
  expect(await node.state('1')).toBe('found 12');
  expect(await node.state('3')).toBe('absent deleted');
  expect(await node.state('1', before)).toBe('found 11');
});
