/**
 * Everything in a store that must not depend on how the runs went: history, events, the map of commits, tracked tables, gaps.
 * Horizons, and the positions at which baseline rows were read, are left out, because they depend on when runs happened.
 */
import { createHash } from 'node:crypto';
import { connectForTest } from './test-client.ts';

/** One line per table: its name, its number of rows, and a digest of all of them in order. */
export type StoreDump = readonly string[];

const ORDERED: Readonly<Record<string, string>> = {
  row_changes: `
    SELECT concat_ws('|', valid_from_lsn, valid_from_ts, xid, relation_id, seq, leaf_id, op, pk, row_data,
                     incomplete, json_nulls) AS line
      FROM pgtimewarp.row_changes ORDER BY relation_id, pk, valid_from_lsn, seq`,
  relation_events:
    'SELECT r::text AS line FROM pgtimewarp.relation_events AS r ORDER BY relation_id, lsn, seq',
  lsn_time_map:
    'SELECT r::text AS line FROM pgtimewarp.lsn_time_map AS r WHERE xid IS NOT NULL ORDER BY node_id, lsn_space, lsn',
  transaction_contexts:
    'SELECT r::text AS line FROM pgtimewarp.transaction_contexts AS r ORDER BY node_id, lsn_space, lsn, seq',
  tracked_relations: `SELECT (to_jsonb(r) - '{updated_at,baseline_lsn,baseline_progress}'::text[])::text AS line FROM pgtimewarp.tracked_relations AS r ORDER BY relation_id`,
  relation_leaves: 'SELECT r::text AS line FROM pgtimewarp.relation_leaves AS r ORDER BY leaf_id',
  history_gaps: 'SELECT r::text AS line FROM pgtimewarp.history_gaps AS r ORDER BY id',
};

const LINES_AT_ONCE = 10_000;

export async function readStore(storeUrl: string): Promise<StoreDump> {
  const session = await connectForTest(storeUrl);
  try {
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const dump: string[] = [];
    for (const [name, sql] of Object.entries(ORDERED)) {
      await session.query(`DECLARE dump NO SCROLL CURSOR FOR ${sql}`);
      const digest = createHash('sha256');
      let count = 0;
      for (;;) {
        const { rows } = await session.query<{ line: string }>(`FETCH ${LINES_AT_ONCE} FROM dump`);
        for (const { line } of rows) digest.update(`${line}\n`);
        count += rows.length;
        if (rows.length < LINES_AT_ONCE) break;
      }
      await session.query('CLOSE dump');
      dump.push(`${name}: ${count} rows, ${digest.digest('hex')}`);
    }
    return dump;
  } finally {
    await session.end();
  }
}
