-- Replaces the expired ranges by the new lowest one. Returns how many it dropped; NULL: the new range is not ready, or an older
-- snapshot is in use that does not see the new rows. What is not before the cutoff of retention must be in the archive, and verified.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_exchange(p_relation_id int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  name text;
  dropped int := 0;
  cutoff pgtimewarp.archive_cutoffs;
  has_changes boolean;
BEGIN
  SELECT * INTO r FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state = 'built' FOR UPDATE;
  IF NOT FOUND OR NOT pgtimewarp.retention_seen_by_all(r.built_xid) THEN
    RETURN NULL;
  END IF;
  IF (r.to_lsn <= (SELECT x.expired_before_lsn + 1 FROM pgtimewarp.relation_retention x WHERE x.relation_id = p_relation_id)) IS NOT TRUE THEN
    SELECT a.* INTO cutoff FROM pgtimewarp.archive_cutoffs a WHERE a.relation_id = p_relation_id;
    IF (r.to_lsn <= cutoff.upto_lsn AND cutoff.before_lsn <= pgtimewarp.archive_verified_to(p_relation_id)) IS NOT TRUE THEN
      RAISE EXCEPTION 'the history of relation % before % is neither expired nor verified in the archive', p_relation_id, r.to_lsn;
    END IF;
    EXECUTE format(
      'SELECT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                       WHERE c.relation_id = %s AND c.valid_from_lsn >= %L AND c.valid_from_lsn < %L)',
      p_relation_id, cutoff.before_lsn, r.to_lsn) INTO has_changes;
    IF has_changes THEN
      -- a repair has written at the position of a horizon that did not move: the range is not in the archive as a whole
      EXECUTE format('DROP TABLE pgtimewarp.%I', r.table_name);
      DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = r.table_name;
      UPDATE pgtimewarp.archive_cutoffs SET upto_lsn = before_lsn WHERE relation_id = p_relation_id;
      RETURN 0;
    END IF;
  END IF;
  FOR name IN
    SELECT g.table_name FROM pgtimewarp.relation_ranges g
     WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn <= r.to_lsn
     ORDER BY g.from_lsn NULLS FIRST
  LOOP
    EXECUTE format('DROP TABLE pgtimewarp.%I', name);
    DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = name;
    dropped := dropped + 1;
  END LOOP;
  PERFORM pgtimewarp.retention_attach(p_relation_id, r.table_name, NULL, r.to_lsn);
  UPDATE pgtimewarp.relation_ranges SET state = 'attached', built_to_pk = NULL, built_xid = NULL
   WHERE relation_id = p_relation_id AND table_name = r.table_name;
  IF NOT r.keeps_deletions THEN
    DELETE FROM pgtimewarp.relation_events WHERE relation_id = p_relation_id AND op = 'T' AND lsn < r.to_lsn;
  END IF;
  RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_exchange(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_exchange(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
