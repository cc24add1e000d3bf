/** What a hosted platform refuses is not known there, and spoils nothing that is: Amazon Aurora, as far as it can be played. */
import { expect, test } from 'vitest';
import { readSourceCondition } from '../../core/doctor/source-condition.ts';
import { troubles, verdicts } from '../support/doctored.ts';
import { trackedNode } from '../support/tracked-node.ts';

/** As Aurora says it of pg_stat_wal (ERRCODE_FEATURE_NOT_SUPPORTED). */
const REFUSE = `
  SET allow_system_table_mods = on;
  CREATE FUNCTION refuse() RETURNS bigint LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'Function pg_stat_get_wal() is currently not supported for Aurora' USING ERRCODE = '0A000'; END $$;
  DO $$ BEGIN
    EXECUTE (SELECT 'CREATE OR REPLACE VIEW pg_catalog.pg_stat_wal AS SELECT '
                    || string_agg(format('public.refuse()::text::%s AS %I', format_type(atttypid, atttypmod), attname), ', ' ORDER BY attnum)
               FROM pg_attribute WHERE attrelid = 'pg_stat_wal'::regclass AND attnum > 0);
  END $$;
  RESET allow_system_table_mods`;

test('a platform without statistics of WAL is examined all the same', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
    track: ['t'],
  });
  const slot = `pgtimewarp_${node.node}`;
  const before = verdicts(await troubles(node));
  expect((await readSourceCondition(node.source, node.node, slot, [])).walBytes).toBeGreaterThan(0);
  await node.source.query(REFUSE);
  await expect(node.source.query('TABLE pg_stat_wal')).rejects.toMatchObject({ code: '0A000' });
  expect(await readSourceCondition(node.source, node.node, slot, [])).toMatchObject({
    walBytes: null,
    walSinceSeconds: null,
    mayReplicate: true,
  });
  expect(verdicts(await troubles(node))).toEqual(before);
});
