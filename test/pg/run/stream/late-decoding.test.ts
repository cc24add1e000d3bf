/**
 * An imitation of Amazon Aurora: a server whose slot functions deliver commits later than the log's own positions say, and
 * whose `pg_logical_emit_message` returns a position of another count. Final answers stay final, and no change is skipped.
 */
import { describe, expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { asOf } from '../../../../core/query/as-of.ts';
import { parseInstant } from '../../../../core/query/instant.ts';
import { keyFromText } from '../../../../core/query/key-input.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { sourceClock } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const PEEKS = {
  wal2json: ['pg_logical_slot_peek_changes', 'text'],
  pgoutput: ['pg_logical_slot_peek_binary_changes', 'bytea'],
} as const;

/** Makes this database look like Aurora, by the one function that identifies it. */
const AURORA = `SET allow_system_table_mods = on;
  CREATE FUNCTION pg_catalog.aurora_version() RETURNS text LANGUAGE sql AS $$ SELECT '17.9.0' $$;
  RESET allow_system_table_mods`;

/**
 * Replaces a function of the server; the replacement calls the real one as `real_…`. The real one is renamed, because the
 * server calls its own functions by OID and looks up only others in the catalog.
 */
function inPlaceOf(name: string, types: string, sql: string): string {
  return `SET allow_system_table_mods = on;
    ALTER FUNCTION pg_catalog.${name}(${types}) RENAME TO real_${name};
    ${sql};
    RESET allow_system_table_mods`;
}

/** Peeks deliver only what was committed before `decodable.upto`, for this number of looks. */
function lateDecoder(plugin: TrackedNode['plugin']): string {
  const [peek, type] = PEEKS[plugin];
  return `CREATE TABLE public.decodable (upto pg_lsn, looks int); INSERT INTO public.decodable VALUES (NULL, 0);
    CREATE SEQUENCE public.looked;
    ${inPlaceOf(
      peek,
      'name, pg_lsn, integer, text[]',
      `CREATE FUNCTION pg_catalog.${peek}(slot_name name, upto_lsn pg_lsn, upto_nchanges integer, VARIADIC options text[],
         OUT lsn pg_lsn, OUT xid xid, OUT data ${type}) RETURNS SETOF record LANGUAGE plpgsql VOLATILE AS $$
       DECLARE late pg_lsn;
       BEGIN -- the transaction of a peek is rolled back; a sequence counts all the same
         SELECT upto INTO late FROM public.decodable WHERE looks >= nextval('public.looked');
         RETURN QUERY SELECT * FROM pg_catalog.real_${peek}(slot_name, least(upto_lsn, late), upto_nchanges, VARIADIC options);
       END $$`,
    )}`;
}

const OTHER_COUNT = inPlaceOf(
  'pg_logical_emit_message',
  'boolean, text, text',
  `CREATE FUNCTION pg_catalog.pg_logical_emit_message(boolean, text, text) RETURNS pg_lsn LANGUAGE plpgsql VOLATILE AS $$
   BEGIN PERFORM pg_catalog.real_pg_logical_emit_message($1, $2, $3); RETURN 'B0234/7C794C04'; END $$`,
);

/** Positions of the log that the stream does not use. */
const OTHER_POSITIONS = ['pg_current_wal_insert_lsn', 'pg_current_wal_flush_lsn']
  .map((name) =>
    inPlaceOf(
      name,
      '',
      `CREATE FUNCTION pg_catalog.${name}() RETURNS pg_lsn LANGUAGE sql VOLATILE AS
       $$ SELECT pg_catalog.real_${name}() + 193535950000000::numeric $$`,
    ),
  )
  .join(';');

const TABLES = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old')`;

/** From now on, and for this number of peeks, no new commit is delivered. */
async function stopDecoding(node: TrackedNode, looks: number): Promise<void> {
  await node.source.query(`SELECT setval('looked', 1, false)`);
  await node.source.query('UPDATE decodable SET upto = pg_current_wal_insert_lsn(), looks = $1', [looks]);
}

async function ask(node: TrackedNode, at: string) {
  const request = { node: node.node, table: parseTableName('t'), pk: keyFromText('1'), at: parseInstant(at) };
  const { answerText } = await asOf(node.store, request);
  const { row, final } = JSON.parse(answerText) as { row: { v: string }; final: boolean };
  return { v: row.v, final };
}

describe.for(PLUGINS)('with %s', (plugin) => {
  describeNeeding(needOf(plugin), 'a decoder that is late', () => {
    test('delays the horizon until the stream has come to the end', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.source.query(AURORA);
      await node.source.query(lateDecoder(plugin));
      expect(await node.poll()).toMatchObject({ caughtUp: true });
      await stopDecoding(node, 1000);
      await node.source.query('SET synchronous_commit = off');
      await node.source.query(`UPDATE t SET v = 'new' WHERE id = 1`);
      const at = await sourceClock(node);
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: false, changes: 0 });
      expect((await ask(node, at)).final).toBe(false);
      await stopDecoding(node, 0);
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true, changes: 1 });
      expect(await ask(node, at)).toEqual({ v: 'new', final: true });
    });

    test('that is late for a moment: the same run waits for it', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.source.query(AURORA);
      await node.source.query(lateDecoder(plugin));
      await stopDecoding(node, 2);
      await node.source.query(`UPDATE t SET v = 'new' WHERE id = 1`);
      const at = await sourceClock(node);
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true, changes: 1 });
      expect(await ask(node, at)).toEqual({ v: 'new', final: true });
    });
  });

  describeNeeding(needOf(plugin), 'two counts of positions', () => {
    test('the position that a message returns is not used', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.source.query(AURORA);
      await node.source.query(OTHER_COUNT);
      const { rows } = await node.source.query(`SELECT pg_logical_emit_message(true, 'x', '') AS lsn`);
      expect(rows).toEqual([{ lsn: 'B0234/7C794C04' }]);
      for (const v of ['one', 'two']) {
        await node.source.query('UPDATE t SET v = $1 WHERE id = 1', [v]);
        const at = await sourceClock(node);
        expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true, changes: 1 });
        expect(await ask(node, at)).toEqual({ v, final: true });
      }
    });

    test('if positions do not match the stream, every run ends with an error and skips nothing', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.source.query(AURORA);
      await node.source.query(OTHER_POSITIONS);
      await node.source.query(`UPDATE t SET v = 'new' WHERE id = 1`);
      const at = await sourceClock(node);
      for (let run = 0; run < 2; run++) {
        await expect(node.poll()).rejects.toMatchObject({ code: 'POSITIONS_DIFFER' });
      }
      expect(await ask(node, at)).toEqual({ v: 'new', final: true }); // it has come, and everything before it
      await node.source.query(`UPDATE t SET v = 'newer' WHERE id = 1`);
      const later = await sourceClock(node);
      expect((await ask(node, later)).final).toBe(false);
      await expect(node.poll()).rejects.toMatchObject({ code: 'POSITIONS_DIFFER' });
      expect(await ask(node, later)).toEqual({ v: 'newer', final: true });
    });
  });
});
