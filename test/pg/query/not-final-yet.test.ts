/**
 * What may turn out otherwise is not final: a gap at the position of the horizon may end there. A partition that is new is
 * judged at the end of WAL. A run that does not get there has passed it all the same: until it is judged no answer about
 * what came after it is final, since it may turn out that it cannot be known.
 */
import { expect, test } from 'vitest';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { diff } from '../../../core/query/diff.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { formatLsn, type Lsn, parseLsn } from '../../../core/types/lsn.ts';
import { describeNeeding } from '../../support/needs.ts';
import { at, relation } from '../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE t_0 PARTITION OF t FOR VALUES FROM (0) TO (10);
  CREATE TABLE t_10 (LIKE t INCLUDING ALL);
  INSERT INTO t_10 VALUES (11, 1);
  INSERT INTO t VALUES (1, 1)`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `what may turn out otherwise, through ${plugin}`, () => {
    test.each([
      ['with rows', 'unknown'],
      ['empty', 'absent'],
    ])('attached %s: before the end of WAL nothing after it is final', async (how, then) => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.poll();
      if (how === 'empty') await node.source.query('TRUNCATE t_10');
      await node.source.query('ALTER TABLE t ATTACH PARTITION t_10 FOR VALUES FROM (10) TO (20)');
      for (let n = 2; n < 6; n++) await node.source.query('UPDATE t SET n = $1 WHERE id = 1', [n]);
      const run = await node.poll({ maxChanges: 1 });
      expect(run.caughtUp).toBe(false);
      const { rows } = await node.store.query<{ lsn: string }>(
        'SELECT applied_lsn AS lsn FROM pgtimewarp.wal_checkpoints',
      );
      const when = rows[0]!.lsn;
      for (const key of ['1', '11']) expect(await at(node, key, when)).toMatchObject({ final: false });
      await node.catchUp();
      expect((await relation(node)).status).toBe(then === 'unknown' ? 'needs_rebaseline' : 'active');
      expect(await at(node, '11', when)).toMatchObject({ status: then, final: true });
    });

    test('a gap may end at the position of the horizon: it is not final there', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.poll();
      await node.source.query('ALTER TABLE t ADD d int DEFAULT 7');
      await node.poll();
      const { rows } = await node.store.query<{ lsn: string }>(
        'SELECT applied_lsn AS lsn FROM pgtimewarp.wal_checkpoints',
      );
      const lsn = rows[0]!.lsn;
      expect(await at(node, '1', lsn)).toMatchObject({ reason: 'in_gap', final: false });
      const upTo = (to: string) =>
        diff(node.store, {
          ...{ node: node.node, table: parseTableName('t'), pk: keyFromText('1') },
          ...{ from: null, to: parseInstant(to), limit: 10 },
        });
      expect((await upTo(lsn)).final).toBe(false);
      const before = formatLsn((parseLsn(lsn) - 1n) as Lsn);
      expect((await upTo(before)).final).toBe(true);
      for (let runs = 0; runs < 3; runs++) await node.poll();
      expect((await relation(node)).status).toBe('active');
      expect((await upTo(lsn)).final).toBe(true);
    });
  });
}
