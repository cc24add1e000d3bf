-- Gives a relation ranges. Its only table becomes the first range, open at both ends, which needs no rewrite and no scan.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_convert(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text := format('row_changes_r%s', p_relation_id);
  leaf text := format('row_changes_r%s_%s', p_relation_id, nextval('pgtimewarp.relation_range_seq'));
BEGIN
  IF (SELECT c.relkind FROM pg_class c WHERE c.oid = to_regclass(format('pgtimewarp.%I', name))) IS DISTINCT FROM 'r' THEN
    RETURN;
  END IF;
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes DETACH PARTITION pgtimewarp.%I', name);
  EXECUTE format('ALTER TABLE pgtimewarp.%I RENAME TO %I', name, leaf);
  EXECUTE format(
    'CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.%I INCLUDING ALL EXCLUDING COMMENTS) PARTITION BY RANGE (valid_from_lsn)', name, leaf);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', name);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', name);
  PERFORM pgtimewarp.retention_attach(p_relation_id, leaf, NULL, NULL);
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes ATTACH PARTITION pgtimewarp.%I FOR VALUES IN (%s)', name, p_relation_id);
  INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, opened_ts, state)
  VALUES (p_relation_id, leaf, '-infinity', 'attached');
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_convert(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_convert(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
