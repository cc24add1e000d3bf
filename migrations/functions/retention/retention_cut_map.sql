-- Deletes entries of the time map before the oldest cutoff. It also deletes blocked changes, by the shortest window: no answer
-- depends on them.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_cut_map(p_node_id text, p_rows int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  anchor timestamptz;
  space int;
  upper pg_lsn;
  forgotten int;
BEGIN
  -- The last entry before the oldest cutoff stays, because it gives the position of that instant.
  SELECT max(m.ts) INTO anchor
    FROM (SELECT min(coalesce(x.expired_before_ts, p.tracked_from_ts)) AS ts
            FROM pgtimewarp.relation_periods p
            LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
           WHERE p.node_id = p_node_id AND p.tracked_from_ts IS NOT NULL AND x.is_dropped IS NOT TRUE
          HAVING count(x.expired_before_ts) > 0) oldest
    JOIN LATERAL (SELECT l.ts FROM pgtimewarp.lsn_time_map l WHERE l.node_id = p_node_id AND l.ts <= oldest.ts
                   ORDER BY l.ts DESC LIMIT 1) m ON true;
  SELECT c.lsn_space INTO space FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id;
  WITH gone AS (
    DELETE FROM pgtimewarp.lsn_time_map d
     USING (SELECT o.ts FROM pgtimewarp.lsn_time_map o WHERE o.node_id = p_node_id AND o.ts < anchor ORDER BY o.ts LIMIT p_rows) o
     WHERE d.node_id = p_node_id AND d.ts = o.ts
    RETURNING d.lsn_space, d.lsn)
  SELECT count(*), max(g.lsn) FILTER (WHERE g.lsn_space = space) INTO forgotten, upper FROM gone g;
  DELETE FROM pgtimewarp.blocked_changes b
   WHERE b.node_id = p_node_id
     AND b.kept_at < (SELECT max(x.expired_before_ts)
                        FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
                       WHERE p.node_id = p_node_id);
  UPDATE pgtimewarp.wal_checkpoints SET map_from_lsn = greatest(map_from_lsn, upper + 1)
   WHERE node_id = p_node_id AND upper IS NOT NULL;
  RETURN forgotten;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_cut_map(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_cut_map(text, int)
   TO pgtimewarp_writer, pgtimewarp_admin;
