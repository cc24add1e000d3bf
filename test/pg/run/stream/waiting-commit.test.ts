/**
 * A commit that waits for a synchronous standby is in the log, but no session sees it yet. A start of tracking or a repair that
 * begins at that moment must not miss it: neither the later log nor the rows contain it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { track } from '../../../../core/track.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { type OwnSource, ownSource } from '../../../support/own-source.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { connectForTest } from '../../../support/test-client.ts';

const ORDERS = { schema: 'public', name: 'orders' };
const query = pg.Client.prototype.query as unknown as (this: pg.Client, ...args: unknown[]) => unknown;

afterEach(() => {
  pg.Client.prototype.query = query as typeof pg.Client.prototype.query;
});

/** Does `work` just before the next reading of the end of WAL. */
function beforeEndOfWal(work: () => Promise<unknown>): void {
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    if (typeof args[0] !== 'string' || !args[0].includes('AS upto')) return query.apply(this, args);
    pg.Client.prototype.query = query as typeof pg.Client.prototype.query;
    return work().then(() => query.apply(this, args));
  } as typeof pg.Client.prototype.query;
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a commit that waits for a standby, ${plugin}`, () => {
    test.each(['tracking', 'reading again'])('%s begins meanwhile', async (what) => {
      await using node = await ownSource({
        plugin,
        track: what === 'tracking' ? [] : ['orders'],
        settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local' },
      });
      const writer = await connectForTest(node.urls.sourceUrl);
      let writing: Promise<unknown> = Promise.resolve();
      beforeEndOfWal(async () => {
        await writer.query('SET synchronous_commit = on');
        writing = writer.query('UPDATE orders SET total = 99 WHERE id = 2');
        await untilItWaits(node);
      });
      const beginning =
        what === 'tracking'
          ? track({ ...node.urls, table: ORDERS, exclude: [], baseline: true, retention: null })
          : rebaseline({ ...node.urls, table: ORDERS });
      await sleep(1500);
      expect(await node.state('2')).toMatch(/^unknown/);
      await node.sql(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`);
      await writing;
      await beginning;
      expect(await node.state('2')).toBe('found 99');
      await writer.end();
    });
  });
}

async function untilItWaits(node: OwnSource): Promise<void> {
  for (;;) {
    const { rowCount } = await node.sql(`SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'`);
    if (rowCount === 1) return;
    await sleep(20);
  }
}
