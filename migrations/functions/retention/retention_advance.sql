-- Moves the cutoff of a relation to the horizon's time minus the window, but never back. Returns whether it moved.
-- The position of the cutoff is the last one with an earlier time: a commit at the very time of the cutoff is known, and so is
-- what it changed.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_advance(p_relation_id int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p pgtimewarp.relation_periods;
  horizon_lsn pg_lsn;
  cut_ts timestamptz;
  cut_lsn pg_lsn;
BEGIN
  SELECT q.* INTO p FROM pgtimewarp.relation_periods q WHERE q.relation_id = p_relation_id;
  SELECT c.applied_lsn, c.applied_ts - x.retention INTO horizon_lsn, cut_ts
    FROM pgtimewarp.wal_checkpoints c LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p_relation_id
   WHERE c.node_id = p.node_id;
  -- The beginning of a range is more exact than the map, which drops horizons of quiet runs.
  UPDATE pgtimewarp.relation_ranges g
     SET opened_ts = coalesce(
           (SELECT m.ts FROM pgtimewarp.lsn_time_map m
             WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.lsn >= g.from_lsn ORDER BY m.lsn LIMIT 1),
           (SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p.node_id))
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.opened_ts IS NULL AND g.from_lsn <= horizon_lsn
     AND p.tracked_to_lsn IS NULL;
  IF p.tracked_from_ts IS NULL OR cut_ts IS NULL OR cut_ts <= p.tracked_from_ts THEN
    RETURN false;
  END IF;
  SELECT greatest(p.tracked_from_lsn,
           (SELECT m.lsn FROM pgtimewarp.commit_at_time(p.node_id, p.lsn_space, cut_ts - interval '1 microsecond') m),
           (SELECT max(g.from_lsn - 1) FROM pgtimewarp.relation_ranges g
             WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.opened_ts < cut_ts)) INTO cut_lsn;
  UPDATE pgtimewarp.relation_retention x
     SET expired_before_ts = cut_ts, expired_before_lsn = greatest(x.expired_before_lsn, cut_lsn),
         cutoff_xid = pg_current_xact_id()
   WHERE x.relation_id = p_relation_id AND (x.expired_before_ts IS NULL OR x.expired_before_ts < cut_ts);
  RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_advance(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_advance(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
