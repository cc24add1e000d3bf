/**
 * TPC-B as a check of consistency: every transaction adds one amount to an account, a teller and a branch. So the sums of the
 * three agree as of every commit, or an answer is wrong.
 */
import type pg from 'pg';

/** In the order in which the statement below names their balances. */
export const TPCB_TABLES = ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches'];

export interface TpcbSums {
  /** Commits that changed a balance, and the commits of the map; both are equal. */
  readonly commits: string;
  readonly mapped: string;
  /** Commits as of which the sums differ. */
  readonly wrong: string;
}

/** Adds up the history of a store that follows one node with these three tables. */
export async function tpcbSums(store: pg.Client): Promise<TpcbSums> {
  const { rows } = await store.query<{ commits: string; mapped: string; wrong: string }>(
    `WITH balances AS (
           SELECT c.valid_from_lsn AS lsn, c.relation_id, c.op,
                  (c.row_data ->> ('{abalance,tbalance,bbalance}'::text[])[r.position])::bigint
                  - coalesce((lag(c.row_data) OVER (PARTITION BY c.relation_id, c.pk ORDER BY c.valid_from_lsn, c.seq)
                              ->> ('{abalance,tbalance,bbalance}'::text[])[r.position])::bigint, 0) AS delta,
                  r.position
             FROM pgtimewarp.row_changes AS c
             JOIN unnest($1::text[]) WITH ORDINALITY AS r (name, position)
               ON r.name = (SELECT t.table_name FROM pgtimewarp.tracked_relations AS t WHERE t.relation_id = c.relation_id)),
         per_commit AS (
           SELECT lsn, sum(delta) FILTER (WHERE position = 1) AS a, sum(delta) FILTER (WHERE position = 2) AS t,
                  sum(delta) FILTER (WHERE position = 3) AS b, bool_or(op = 'S') AS baseline
             FROM balances GROUP BY lsn),
         running AS (
           SELECT lsn, baseline, sum(a) OVER w AS a, sum(t) OVER w AS t, sum(b) OVER w AS b
             FROM per_commit WINDOW w AS (ORDER BY lsn))
         SELECT count(*) AS commits, count(*) FILTER (WHERE a IS DISTINCT FROM t OR t IS DISTINCT FROM b) AS wrong,
                (SELECT count(*) FROM pgtimewarp.lsn_time_map WHERE xid IS NOT NULL) AS mapped
           FROM running WHERE NOT baseline`,
    [TPCB_TABLES],
  );
  return rows[0]!;
}

/** The tables whose present rows differ, in any column, from the last rows of their history. */
export async function differingTables(source: pg.Client, store: pg.Client): Promise<string[]> {
  const differing: string[] = [];
  for (const table of TPCB_TABLES) {
    const live = await source.query<Record<string, string>>(
      `SELECT count(*) AS rows, sum(hashtextextended(to_json(t)::text, 0)::numeric) AS hash FROM ${table} AS t`,
    );
    const stored = await store.query<Record<string, string>>(
      `SELECT count(*) AS rows, sum(hashtextextended(v.row_data::text, 0)::numeric) AS hash
         FROM (SELECT DISTINCT ON (c.pk) c.op, c.row_data
                 FROM pgtimewarp.row_changes AS c
                WHERE c.relation_id = (SELECT relation_id FROM pgtimewarp.tracked_relations WHERE table_name = $1::text)
                ORDER BY c.pk, c.valid_from_lsn DESC, c.seq DESC) AS v
        WHERE v.op <> 'D'`,
      [table],
    );
    const [now, last] = [JSON.stringify(live.rows[0]), JSON.stringify(stored.rows[0])];
    if (now !== last) differing.push(`${table}: ${now} is stored as ${last}`);
  }
  return differing;
}
