/** A transaction that is written in parts becomes visible as a whole: a run that dies between two parts stores none of them. */
import { expect, test } from 'vitest';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { runUntil } from '../support/stopped-run.ts';
import { trackedNode } from '../support/tracked-node.ts';

const ROWS = 16_000;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a large transaction through ${plugin}`, () => {
    test('a large transaction is stored whole or not at all, also if its run was killed between two parts', async () => {
      await using node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE wide (id int PRIMARY KEY, body text)',
        track: ['wide'],
      });
      const stored = async (): Promise<unknown> => {
        const { rows } = await node.store.query(
          `SELECT (SELECT count(*)::int FROM pgtimewarp.row_changes) AS changes,
                  (SELECT count(*)::int FROM pgtimewarp.lsn_time_map WHERE xid IS NOT NULL) AS commits`,
        );
        return rows[0];
      };
      await node.source.query(
        `INSERT INTO wide SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, ${ROWS}) AS i`,
      );
      const run = await runUntil(node, 'store: COPY row_changes #2, before');
      expect(run.stopped, JSON.stringify(run.stopped ? null : await run.ended)).toBe(true);
      expect(await stored()).toEqual({ changes: 0, commits: 0 });
      run.child.kill('SIGKILL');
      await run.ended;
      expect(await stored()).toEqual({ changes: 0, commits: 0 });
      await node.catchUp();
      expect(await stored()).toEqual({ changes: ROWS, commits: 1 });
    });
  });
}
