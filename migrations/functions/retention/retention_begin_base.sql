-- Begins a new lowest range when one is due. It drops expired ranges without rows at once. Returns the name of the table that is
-- under construction or waits for its exchange; NULL when nothing is due.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_begin_base(p_relation_id int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p pgtimewarp.relation_periods;
  cut pg_lsn;
  name text;
  upper pg_lsn;
  filled boolean := false;
BEGIN
  SELECT g.table_name INTO name FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state <> 'attached';
  IF FOUND THEN
    RETURN name;
  END IF;
  SELECT q.* INTO p FROM pgtimewarp.relation_periods q WHERE q.relation_id = p_relation_id;
  -- what is before either cutoff
  SELECT greatest((SELECT x.expired_before_lsn FROM pgtimewarp.relation_retention x WHERE x.relation_id = p_relation_id),
                  (SELECT a.upto_lsn - 1 FROM pgtimewarp.archive_cutoffs a WHERE a.relation_id = p_relation_id)) INTO cut;
  IF cut IS NULL OR p.baseline_state = 'pending'
     OR EXISTS (SELECT FROM pgtimewarp.tracked_relations t WHERE t.relation_id = p_relation_id AND t.repair IS NOT NULL) THEN
    RETURN NULL; -- a baseline or a repair may still write rows that belong below
  END IF;
  FOR name IN
    SELECT g.table_name FROM pgtimewarp.relation_ranges g
     WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND NOT g.is_base AND g.to_lsn <= cut + 1
  LOOP
    IF pgtimewarp.retention_is_empty(name) THEN
      EXECUTE format('DROP TABLE pgtimewarp.%I', name);
      DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = name;
    ELSE
      filled := true;
    END IF;
  END LOOP;
  IF NOT filled THEN
    RETURN NULL;
  END IF;
  SELECT max(g.to_lsn) INTO upper FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn <= cut + 1;
  name := pgtimewarp.retention_new_table(p_relation_id);
  EXECUTE format('ALTER TABLE pgtimewarp.%I ADD CONSTRAINT base_upper CHECK (valid_from_lsn < %L)', name, upper);
  INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, to_lsn, opened_ts, state, is_base, built_to_pk, keeps_deletions)
  -- If not every key was read or seen, only a deletion distinguishes an absent key from an unknown one. And questions about the time
  -- after the archive's cutoff are answered as before, deletions included, without the archive.
  VALUES (p_relation_id, name, upper, '-infinity', 'building', true, '',
          p.baseline_state <> 'done' OR coalesce(p.unseen_unknown_before_lsn >= upper, false)
            OR EXISTS (SELECT FROM pgtimewarp.archive_cutoffs a WHERE a.relation_id = p_relation_id));
  RETURN name;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_begin_base(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_begin_base(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
