-- Removes the history of a period if all of it lies before the window. Returns false while a snapshot is in use that does not see
-- the cutoff.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_drop_period(p_relation_id int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  expired xid8;
BEGIN
  SELECT x.cutoff_xid INTO expired
    FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
   WHERE x.relation_id = p_relation_id AND x.expired_before_ts > p.tracked_to_ts AND NOT x.is_dropped;
  IF NOT FOUND OR NOT pgtimewarp.retention_seen_by_all(expired) THEN
    RETURN false;
  END IF;
  PERFORM pgtimewarp.drop_relation_partition(p_relation_id);
  DELETE FROM pgtimewarp.relation_events WHERE relation_id = p_relation_id;
  UPDATE pgtimewarp.relation_retention SET is_dropped = true WHERE relation_id = p_relation_id;
  RETURN true;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_drop_period(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_drop_period(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
