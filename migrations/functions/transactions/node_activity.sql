-- How much was committed between two instants (from, to], in p_buckets intervals of equal length: for each, the commits with changes in
-- the history, what they changed, and how many rows the largest of them changed. p_begin, p_end: the ends of the interval as times,
-- see node_frame(); without them there are no intervals. Each interval includes its end but not its beginning, as every question
-- does. It counts what node_transactions() lists, and reads only the changes between the two instants.
-- p_only: only these tables, see is_one_of().
-- Changes come almost in the order of commits, so sorting them costs little: a third less than hashing each commit.
-- The relation is a constant in the text of the statement (docs/decisions/0024-own-locks.md).
CREATE OR REPLACE FUNCTION pgtimewarp.node_activity(
  p_node_id text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_begin timestamptz, p_end timestamptz, p_buckets int, p_only jsonb DEFAULT NULL)
RETURNS TABLE (
  from_ts timestamptz, to_ts timestamptz, commits bigint, inserts bigint, updates bigint, deletes bigint, truncates bigint,
  largest bigint)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET max_parallel_workers_per_gather = 0
SET enable_hashagg = off
SET work_mem = '16MB' AS $$
#variable_conflict use_column
DECLARE
  MICROSECOND CONSTANT interval := '1 microsecond';
  now_space int := (SELECT c.lsn_space FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = p_node_id);
  micros numeric := extract(epoch FROM p_end) * 1000000 - extract(epoch FROM p_begin) * 1000000;
  edges timestamptz[];
  place record;
  changes text;
BEGIN
  IF p_begin IS NULL OR p_end IS NULL THEN
    RETURN;
  END IF;
  -- hours and a remainder, because an interval times a number is exact only for numbers that a double can hold
  edges := ARRAY(
    SELECT p_begin + make_interval(hours => div(e.micros, 3600000000)::int) + mod(e.micros, 3600000000)::float8 * MICROSECOND
      FROM (SELECT i, div(micros * i, p_buckets) AS micros FROM generate_series(0, p_buckets) AS i) AS e
     ORDER BY e.i);
  FOR place IN
    SELECT p.relation_id, p.lsn_space,
           greatest(
             CASE WHEN p_from_lsn IS NOT NULL THEN p_from_lsn
                  WHEN p_from_ts IS NOT NULL THEN (SELECT m.lsn FROM pgtimewarp.commit_at_time(p_node_id, p.lsn_space, p_from_ts) AS m)
             END, x.expired_before_lsn, '0/0') AS after,
           coalesce(
             CASE WHEN p_to_lsn IS NOT NULL AND p.lsn_space = now_space THEN p_to_lsn
                  WHEN p_to_ts IS NOT NULL THEN (SELECT coalesce(m.lsn, '0/0') FROM (SELECT) AS one
                                                   LEFT JOIN pgtimewarp.commit_at_time(p_node_id, p.lsn_space, p_to_ts) AS m ON true)
             END, 'FFFFFFFF/FFFFFFFF') AS upto
      FROM pgtimewarp.relation_periods AS p
      LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND (p_from_lsn IS NULL OR p.lsn_space = now_space)
       AND (p_from_ts IS NULL OR (p.tracked_to_ts > p_from_ts) IS NOT FALSE)
       AND (p_to_ts IS NULL OR p.tracked_from_ts < p_to_ts)
       AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_only)
  LOOP
    PERFORM pgtimewarp.refuse_archived(place.relation_id, place.after);
    changes := concat_ws(' UNION ALL ', changes, format(
      'SELECT %1$s AS lsn_space, r.valid_from_lsn AS lsn, r.valid_from_ts AS ts, r.op
         FROM pgtimewarp.row_changes AS r
        WHERE r.relation_id = %2$s AND r.valid_from_lsn > %3$L AND r.valid_from_lsn <= %4$L AND r.xid IS NOT NULL
        UNION ALL
       SELECT %1$s, e.lsn, e.ts, e.op
         FROM pgtimewarp.relation_events AS e
        WHERE e.relation_id = %2$s AND e.op = ''T'' AND e.lsn > %3$L AND e.lsn <= %4$L',
      place.lsn_space, place.relation_id, place.after, place.upto));
  END LOOP;
  RETURN QUERY EXECUTE format('
    SELECT $1[b.bucket + 1], $1[b.bucket + 2], coalesce(n.commits, 0), coalesce(n.inserts, 0), coalesce(n.updates, 0),
           coalesce(n.deletes, 0), coalesce(n.truncates, 0), coalesce(n.largest, 0)
      FROM generate_series(0, $2 - 1) AS b (bucket)
      LEFT JOIN (
           SELECT width_bucket(t.ts, $3) AS bucket, count(*) AS commits, sum(t.inserts)::bigint AS inserts,
                  sum(t.updates)::bigint AS updates, sum(t.deletes)::bigint AS deletes, sum(t.truncates)::bigint AS truncates,
                  max(t.inserts + t.updates + t.deletes) AS largest
             FROM (SELECT c.ts,
                          count(*) FILTER (WHERE c.op = ''I'') AS inserts,
                          count(*) FILTER (WHERE c.op = ''U'') AS updates,
                          count(*) FILTER (WHERE c.op = ''D'') AS deletes,
                          count(*) FILTER (WHERE c.op = ''T'') AS truncates
                     FROM (%s) AS c
                    GROUP BY c.lsn_space, c.lsn, c.ts) AS t
            GROUP BY 1) AS n ON n.bucket = b.bucket
     ORDER BY b.bucket', coalesce(changes, 'SELECT 1 AS lsn_space, ''0/0''::pg_lsn AS lsn, now() AS ts, ''I''::"char" AS op WHERE false'))
    USING edges, p_buckets,
          -- an interval includes its end: the next one begins a microsecond later
          ARRAY(SELECT e.edge + MICROSECOND FROM unnest(edges[2:p_buckets]) WITH ORDINALITY AS e (edge, place) ORDER BY e.place);
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.node_activity(text, timestamptz, pg_lsn, timestamptz, pg_lsn, timestamptz, timestamptz, int, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.node_activity(text, timestamptz, pg_lsn, timestamptz, pg_lsn, timestamptz, timestamptz, int, jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
