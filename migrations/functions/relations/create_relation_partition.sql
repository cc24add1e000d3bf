-- Creates the partition of a relation, and its function. The table is built first and then attached, because ATTACH takes a weaker
-- lock on the parent than CREATE TABLE … PARTITION OF (PostgreSQL manual, "ALTER TABLE … ATTACH PARTITION").
CREATE OR REPLACE FUNCTION pgtimewarp.create_relation_partition(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text := format('row_changes_r%s', p_relation_id);
BEGIN
  IF to_regclass(format('pgtimewarp.%I', leaf)) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format(
    'CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.row_changes INCLUDING ALL EXCLUDING COMMENTS, CHECK (relation_id = %s))',
    leaf, p_relation_id);
  EXECUTE format('ALTER TABLE pgtimewarp.%I SET (autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 100)', leaf);
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes ATTACH PARTITION pgtimewarp.%I FOR VALUES IN (%s)',
    leaf, p_relation_id);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', leaf);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', leaf);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', leaf);
  PERFORM pgtimewarp.create_relation_function(p_relation_id);
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.create_relation_partition(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.create_relation_partition(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
