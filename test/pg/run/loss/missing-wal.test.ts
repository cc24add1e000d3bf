/** A file of the WAL that the slot needs is gone, and the server does not know it: errors say so, and `rebaseline --node` helps. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { diagnose } from '../../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../../core/doctor/facts.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { ownSource } from '../../../support/own-source.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `missing WAL, ${plugin}`, () => {
    test('a missing file of the WAL is a lost slot, and no missing plugin', async () => {
      await using node = await ownSource({ plugin });
      await node.poll();
      await node.sql('UPDATE orders SET total = 11 WHERE id = 1');
      const { rows } = await node.sql(
        `SELECT pg_walfile_name(restart_lsn) AS file FROM pg_replication_slots WHERE slot_name = '${node.slot}'`,
      );
      await node.sql('SELECT pg_switch_wal()');
      await node.sql('UPDATE orders SET total = 12 WHERE id = 1');
      await node.sql('SELECT pg_switch_wal()');
      await rm(join(node.server.dataDir, 'pg_wal', (rows[0] as { file: string }).file));
      await expect(node.poll()).rejects.toMatchObject({
        code: 'SLOT_LOST',
        message: expect.stringContaining('has lost its WAL'),
        remedy: expect.stringContaining('rebaseline --node'),
      });
      const failing = diagnose(await gatherFacts(node.urls)).checks.filter(({ status }) => status === 'fail');
      expect(failing).toMatchObject([
        { code: 'slot_wal', remedy: expect.stringContaining('rebaseline --node') },
      ]);
      await node.rebaseline();
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
      expect(await node.state('1')).toBe('found 12');
    });
  });
}
