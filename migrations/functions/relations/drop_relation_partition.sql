-- Removes the history of a relation for good.
CREATE OR REPLACE FUNCTION pgtimewarp.drop_relation_partition(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT g.table_name FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state <> 'attached'
  LOOP
    EXECUTE format('DROP TABLE IF EXISTS pgtimewarp.%I', name);
  END LOOP;
  EXECUTE format('DROP TABLE IF EXISTS pgtimewarp.%I', format('row_changes_r%s', p_relation_id));
  EXECUTE format('DROP FUNCTION IF EXISTS pgtimewarp.%I', format('asof_each_r%s', p_relation_id));
  DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id;
  DELETE FROM pgtimewarp.archive_cutoffs WHERE relation_id = p_relation_id;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.drop_relation_partition(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.drop_relation_partition(int)
   TO pgtimewarp_admin;
