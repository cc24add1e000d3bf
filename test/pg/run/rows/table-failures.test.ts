/** A problem of one table affects only that table: the run continues, and other tables are tracked, read and answered. */
import { expect, test } from 'vitest';
import { databaseUrl } from '../../../../cli/servers/databases.ts';
import { diagnose } from '../../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../../core/doctor/facts.ts';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { poll } from '../../../../core/poll.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { at, relation, sameAsLive, urls } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { trackedNode } from '../../../support/tracked-node.ts';

/** 32 digits each, which do not compress. */
const NOISE = (count: number): string =>
  `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, ${count}) AS i)`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `what is wrong with one table (${plugin})`, () => {
    test('rows that cannot be read: reported and tried again, without delay for other tables', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'x'), (2, 'y');
                 CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (1, 'x')`,
      });
      const tracked = 'row_changes_r1';
      // the store refuses a row of a, as it refuses a row that is too large
      await node.store.query(`CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF to_regclass('pgtimewarp.${tracked}') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'refused') THEN
          ALTER TABLE pgtimewarp.${tracked} ADD CONSTRAINT refused CHECK (pk <> '["2"]');
        END IF; END $$; CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('GRANT') EXECUTE FUNCTION refuse()`);
      await expect(node.track('a')).rejects.toMatchObject({
        code: 'TABLE_UNREADABLE',
        message: expect.stringContaining('The rows of public.a cannot be read'),
      });
      expect(await node.track('b')).toMatchObject({ baseline: 'done', baselineRows: 1 });
      await node.source.query(`INSERT INTO a VALUES (3, 'z'); INSERT INTO b VALUES (2, 'y')`);
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true, changes: 2 });
      await sameAsLive(node, 'b');
      expect((await at(node, '3', null, 'a')).row).toEqual({ id: 3, v: 'z' });
      const told = await node.store.query(
        `SELECT count(*)::int AS n FROM pgtimewarp.health_events WHERE code = 'TABLE_UNREADABLE'`,
      );
      expect(told.rows).toEqual([{ n: 1 }]);
      await node.store.query(
        `DROP EVENT TRIGGER refuse; ALTER TABLE pgtimewarp.${tracked} DROP CONSTRAINT refused`,
      );
      await node.poll();
      await node.poll();
      await sameAsLive(node, 'a');
    });

    test('the failure of a baseline is removed after a repair has read the table', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'x'), (2, 'y')`,
      });
      await node.store.query(`CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF to_regclass('pgtimewarp.row_changes_r1') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'refused') THEN
          ALTER TABLE pgtimewarp.row_changes_r1 ADD CONSTRAINT refused CHECK (pk <> '["2"]');
        END IF; END $$; CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('GRANT') EXECUTE FUNCTION refuse()`);
      await expect(node.track('a')).rejects.toMatchObject({ code: 'TABLE_UNREADABLE' });
      await node.store.query(
        'DROP EVENT TRIGGER refuse; ALTER TABLE pgtimewarp.row_changes_r1 DROP CONSTRAINT refused',
      );
      await rebaseline({ ...urls(node), table: parseTableName('a') });
      expect(await relation(node, 'a')).toMatchObject({ status: 'active', repair: null });
      const { checks } = diagnose(await gatherFacts(urls(node)));
      expect(checks.filter(({ code }) => code === 'table_baseline')).toEqual([]);
      await sameAsLive(node, 'a');
    });

    test('a key too long for the index: its table is unknown, other tables are not affected', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE a (k bytea PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, v int)`,
        track: ['a', 'b'],
      });
      await node.source.query(`INSERT INTO a VALUES ('\\x01', 1); INSERT INTO b VALUES (1, 1)`);
      await node.source.query(`INSERT INTO a VALUES (${NOISE(45)}::bytea, 1); INSERT INTO b VALUES (2, 2)`);
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
      expect(await relation(node, 'a')).toMatchObject({
        status: 'needs_rebaseline',
        status_reason: expect.stringMatching(/a key has 2\d\d\d bytes/),
      });
      await sameAsLive(node, 'b');
      const again = rebaseline({ ...urls(node), table: parseTableName('a') });
      await expect(again).rejects.toMatchObject({
        code: 'TABLE_UNREADABLE',
        message: expect.stringMatching(/a key has/),
      });
      await node.source.query('DELETE FROM a WHERE length(k) > 100');
      await rebaseline({ ...urls(node), table: parseTableName('a') });
      expect(await relation(node, 'a')).toMatchObject({ status: 'active' });
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
    });

    test('a partition that the role may not read: its table is read again from the root, and no other table waits', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
                 CREATE TABLE t_a PARTITION OF t FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1, 1);
                 CREATE TABLE b (id int PRIMARY KEY, v int)`,
        track: ['t', 'b'],
      });
      const role = `reader_${node.node}`;
      await node.source.query(
        `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
      );
      try {
        const { pathname } = new URL(node.sourceUrl);
        const sourceUrl = databaseUrl(node.sourceUrl, pathname.slice(1), { user: role, password: 'p' });
        const run = () => poll({ ...urls(node), sourceUrl });
        await run();
        await node.source.query('CREATE TABLE t_b PARTITION OF t FOR VALUES FROM (100) TO (200)'); // empty: nothing is lost
        expect(await run()).toMatchObject({ outcome: 'done', caughtUp: true });
        expect(await relation(node)).toMatchObject({ status: 'active' });
        await node.source.query('CREATE TABLE t_c (LIKE t INCLUDING ALL); INSERT INTO t_c VALUES (201, 1)');
        await node.source.query('ALTER TABLE t ATTACH PARTITION t_c FOR VALUES FROM (200) TO (300)');
        await node.source.query('INSERT INTO t VALUES (101, 1), (202, 1); INSERT INTO b VALUES (1, 1)');
        expect(await run()).toMatchObject({ outcome: 'done', caughtUp: true });
        expect(await relation(node)).toMatchObject({
          status: 'needs_rebaseline',
          status_reason: expect.stringMatching(/t_c .*may have been attached with rows.*permission denied/),
        });
        await sameAsLive(node, 'b');
        for (let runs = 0; runs < 3; runs++) await run();
        expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
        await sameAsLive(node);
      } finally {
        await node.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      }
    });

    test('a gap with more findings than one step stores', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, i FROM generate_series(1, 45000) AS i`,
        track: ['t'],
      });
      await node.source.query('ALTER TABLE t ALTER n TYPE int USING n + 1');
      await node.source.query('DELETE FROM t WHERE id % 9 = 0');
      for (let runs = 0; runs < 4; runs++) await node.poll();
      expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
      const { rows } = await node.store.query<{ differing: string; left: string }>(
        `SELECT count(*) FILTER (WHERE (a.answer -> 'row' ->> 'n')::int IS DISTINCT FROM CASE WHEN i % 9 <> 0 THEN i + 1 END) AS differing,
                (SELECT count(*) FROM pgtimewarp.rebaseline_findings) AS left
           FROM generate_series(1, 45000, 37) AS i, pgtimewarp.asof_answer($1, 'public', 't', to_jsonb(i), NULL, NULL, NULL) AS a`,
        [node.node],
      );
      expect(rows).toEqual([{ differing: '0', left: '0' }]);
    });
  });
}
