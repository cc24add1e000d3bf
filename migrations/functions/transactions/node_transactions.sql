-- What was committed between two instants (from, to], newest first: each commit with changes in the history, its counts for each
-- table, and its last context. Page by page: pass the place (lsn_space, ts, lsn) of the last commit received;
-- a page ends as in period_changes().
--
-- p_filter, all optional: {"schema", "table"}: it touched this table; {"op": [op]}: it has such a change (of that table); {"by": {key:
-- value}}; {"min_rows": n}: at least n inserts, updates and deletes, or a TRUNCATE, whose rows are not counted; {"xid": n} or
-- {"lsn": position}: this one; {"only": [{"schema", "table"}]}: only these tables, see is_one_of(). Then `context` is the last that a
-- change of such a table carries, and `by` asks about such contexts. `tables` and `rows` count everything that the commit did (to these
-- tables), even with a filter. A TRUNCATE of a partitioned table counts once for each partition, because the log contains it once for each.
-- p_archived: the counts that are in the archive, see archived_part().
CREATE OR REPLACE FUNCTION pgtimewarp.node_transactions(
  p_node_id text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn, p_filter jsonb,
  p_after_space int, p_after_ts timestamptz, p_after_lsn pg_lsn, p_limit int, p_max_bytes bigint DEFAULT NULL,
  p_archived json DEFAULT NULL)
RETURNS TABLE (lsn_space int, lsn pg_lsn, ts timestamptz, xid bigint, context json, tables json, rows bigint)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  now_space int := (SELECT c.lsn_space FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id);
  chunk int := least(greatest(p_limit, 50), 1000);
  relations int[] := CASE WHEN p_filter ? 'only' THEN ARRAY(
    SELECT p.relation_id FROM pgtimewarp.relation_periods AS p
     WHERE p.node_id = p_node_id AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_filter -> 'only')) END;
  seen int;
  given int := 0;
  bytes bigint := 0;
  at record;
  commits text;
  picked record;
  c record;
BEGIN
  PERFORM pgtimewarp.refuse_operations(p_filter, 'transactions', '{I,U,D,T}');
  -- a value that few contexts have leads to its commits; where many have it, some are soon met on the way back in time
  SELECT b.spaces, b.lsns INTO picked FROM pgtimewarp.commits_by(p_node_id, p_filter -> 'by', 2000) AS b;
  SELECT p_after_ts AS ts, p_after_space AS space, p_after_lsn AS lsn INTO at;
  LOOP
    -- a condition that is not requested is left out: the planner estimates that better than a NULL parameter
    commits := concat(
      'SELECT m.lsn_space, m.lsn, m.ts, m.xid FROM pgtimewarp.lsn_time_map AS m WHERE m.node_id = $1 AND m.xid IS NOT NULL',
      -- an end that is an LSN finds its place by the time. The CASE hides the LSN from the planner, which would take the two for
      -- independent conditions, expect hardly any rows, and sort the whole interval for a page of it
      CASE WHEN p_from_lsn IS NOT NULL
             THEN ' AND m.ts >= coalesce($3, ''-infinity'') AND CASE WHEN m.lsn_space = $2 THEN m.lsn > $4 ELSE false END'
           WHEN p_from_ts IS NOT NULL THEN ' AND m.ts > $3' END,
      CASE WHEN p_to_lsn IS NOT NULL
             THEN ' AND m.ts <= $5 AND CASE WHEN m.lsn_space = $2 THEN m.lsn <= $6 ELSE m.lsn_space < $2 END'
           WHEN p_to_ts IS NOT NULL THEN ' AND m.ts <= $5' END,
      CASE WHEN p_filter ? 'xid' THEN ' AND m.xid = $7' END,
      CASE WHEN p_filter ? 'lsn' THEN ' AND m.lsn = $8' END,
      CASE WHEN picked.lsns IS NOT NULL
             THEN ' AND (m.lsn_space, m.lsn) IN (SELECT u.lsn_space, u.lsn FROM unnest($12, $13) AS u (lsn_space, lsn))'
           WHEN p_filter ? 'by'
             THEN ' AND EXISTS (SELECT FROM pgtimewarp.transaction_contexts AS s
                                 WHERE s.node_id = $1 AND s.lsn_space = m.lsn_space AND s.lsn = m.lsn
                                   AND pgtimewarp.context_matches(s.context, $14))' END,
      CASE WHEN at.lsn IS NOT NULL THEN ' AND (m.ts, m.lsn_space, m.lsn) < ($9, $10, $11)' END,
      ' ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT ', chunk);
    EXECUTE 'SELECT array_agg(k.lsn_space) AS spaces, array_agg(k.lsn) AS lsns, array_agg(k.ts) AS times, array_agg(k.xid) AS xids
               FROM (' || commits || ') AS k'
       INTO c
      USING p_node_id, now_space, coalesce(p_from_ts, pgtimewarp.time_at(p_node_id, now_space, p_from_lsn)), p_from_lsn,
            coalesce(p_to_ts, pgtimewarp.time_at(p_node_id, now_space, p_to_lsn), 'infinity'), p_to_lsn,
            (p_filter ->> 'xid')::bigint, (p_filter ->> 'lsn')::pg_lsn, at.ts, at.space, at.lsn,
            picked.spaces, picked.lsns, p_filter -> 'by';
    seen := coalesce(cardinality(c.lsns), 0);
    EXIT WHEN seen = 0;
    FOR lsn_space, lsn, ts, xid, context, tables, rows IN
      SELECT u.lsn_space, u.lsn, u.ts, u.xid, x.context, d.tables, d.rows
        FROM unnest(c.spaces, c.lsns, c.times, c.xids) WITH ORDINALITY AS u (lsn_space, lsn, ts, xid, place)
       CROSS JOIN LATERAL (
             SELECT (SELECT s.context FROM pgtimewarp.transaction_contexts AS s
                      WHERE s.node_id = p_node_id AND s.lsn_space = u.lsn_space AND s.lsn = u.lsn
                        AND (relations IS NULL OR s.relation_ids && relations)
                      ORDER BY s.seq DESC LIMIT 1) AS context) AS x
        JOIN pgtimewarp.commit_tables(p_node_id, c.spaces, c.lsns, p_filter, p_archived) AS d ON d.lsn_space = u.lsn_space AND d.lsn = u.lsn
       WHERE relations IS NULL OR NOT p_filter ? 'by' OR EXISTS (
             SELECT FROM pgtimewarp.transaction_contexts AS s
              WHERE s.node_id = p_node_id AND s.lsn_space = u.lsn_space AND s.lsn = u.lsn AND s.relation_ids && relations
                AND pgtimewarp.context_matches(s.context, p_filter -> 'by'))
       ORDER BY u.place
    LOOP
      RETURN NEXT;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(context::text), 0) + octet_length(tables::text);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN seen < chunk;
    SELECT c.times[seen] AS ts, c.spaces[seen] AS space, c.lsns[seen] AS lsn INTO at;
    chunk := least(chunk * 2, 5000);
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.node_transactions(text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb, int, timestamptz, pg_lsn, int, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.node_transactions(text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb, int, timestamptz, pg_lsn, int, bigint, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
