-- Moves the archive's cutoff of a relation to the end of the last range that is in the archive as a whole and verified, but never back.
-- Returns whether it moved. From the commit on, questions about what lies before it are answered from the archive; the ranges are dropped
-- later, as by retention (retention_new_table()). While a baseline or a repair may still write rows that belong there, it stays.
CREATE OR REPLACE FUNCTION pgtimewarp.archive_advance(p_relation_id int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p pgtimewarp.relation_periods;
  r pgtimewarp.relation_ranges;
BEGIN
  SELECT q.* INTO p
    FROM pgtimewarp.relation_periods AS q
    JOIN pgtimewarp.archive_settings AS s
      ON s.node_id = q.node_id AND s.schema_name = q.schema_name AND s.table_name = q.table_name AND s.is_on AND s.drops
    JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = q.relation_id AND t.repair IS NULL
   WHERE q.relation_id = p_relation_id AND q.baseline_state <> 'pending';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  SELECT g.* INTO r
    FROM pgtimewarp.relation_ranges AS g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND NOT g.is_base
     AND g.to_lsn <= pgtimewarp.archive_verified_to(p_relation_id)
   ORDER BY g.to_lsn DESC LIMIT 1;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO pgtimewarp.archive_cutoffs AS a (relation_id, before_lsn, before_ts, cutoff_xid)
  SELECT p_relation_id, r.to_lsn, greatest(m.ts, p.tracked_from_ts), pg_current_xact_id()
    FROM pgtimewarp.commit_at_lsn(p.node_id, p.lsn_space, r.to_lsn - 1) AS m
  ON CONFLICT ON CONSTRAINT archive_cutoffs_pkey DO UPDATE -- moved before
     SET before_lsn = excluded.before_lsn, before_ts = greatest(a.before_ts, excluded.before_ts), cutoff_xid = excluded.cutoff_xid
   WHERE a.before_lsn < excluded.before_lsn;
  RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.archive_advance(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.archive_advance(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
