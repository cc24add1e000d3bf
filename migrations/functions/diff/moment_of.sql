-- What is known about the time of a position of an LSN space, for a table: the last moment at or before it (a commit, the horizon, an
-- end of a period of the table, of a gap, or of what has expired), whether the position is exactly that moment, and the moment
-- that follows. In between nothing begins and nothing ends, so a position there lies in a gap exactly when the whole stretch does.
CREATE OR REPLACE FUNCTION pgtimewarp.moment_of(
  p_node_id text, p_schema text, p_table text, p_space int, p_lsn pg_lsn,
  OUT at_ts timestamptz, OUT is_exact boolean, OUT next_ts timestamptz)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
  WITH periods AS (
    SELECT p.* FROM pgtimewarp.relation_periods AS p
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table),
  gaps AS (
    SELECT g.* FROM pgtimewarp.history_gaps AS g
     WHERE g.node_id = p_node_id AND g.lsn_space = p_space
       AND (g.relation_id IS NULL OR g.relation_id IN (SELECT p.relation_id FROM periods AS p))),
  moment AS (
    SELECT c.lsn, c.ts FROM pgtimewarp.commit_at_lsn(p_node_id, p_space, p_lsn) AS c
     UNION ALL
    (SELECT m.lsn, m.ts FROM pgtimewarp.lsn_time_map AS m
      WHERE m.node_id = p_node_id AND m.lsn_space = p_space AND m.lsn > p_lsn ORDER BY m.lsn LIMIT 1)
     UNION ALL
    SELECT c.applied_lsn, c.applied_ts FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = p_node_id AND c.lsn_space = p_space
     UNION ALL
    SELECT e.lsn, e.ts FROM periods AS p
     CROSS JOIN LATERAL (VALUES (p.tracked_from_lsn, p.tracked_from_ts), (p.tracked_to_lsn, p.tracked_to_ts)) AS e (lsn, ts)
     WHERE p.lsn_space = p_space
     UNION ALL
    SELECT e.lsn, e.ts FROM gaps AS g
     CROSS JOIN LATERAL (VALUES (g.from_lsn, g.from_ts), (g.to_lsn, g.to_ts)) AS e (lsn, ts)
     UNION ALL
    SELECT x.expired_before_lsn, x.expired_before_ts FROM periods AS p
      JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
     WHERE p.lsn_space = p_space)
  SELECT max(m.ts) FILTER (WHERE m.lsn <= p_lsn), coalesce(bool_or(m.lsn = p_lsn), false), min(m.ts) FILTER (WHERE m.lsn > p_lsn)
    FROM moment AS m
$$;

REVOKE ALL ON FUNCTION pgtimewarp.moment_of(text, text, text, int, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.moment_of(text, text, text, int, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
