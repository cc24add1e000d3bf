-- Creates an empty, unattached table with the columns of a range. Ranges only get inserts, so autovacuum counts inserts.
--
-- Retention forgets history older than a window, and every instant within the window stays answerable. The partition of a relation
-- with retention consists of ranges of valid_from_lsn. Forgetting takes three committed steps:
-- 1. The cutoff moves. From then on readers answer `expired` below it.
-- 2. A new lowest range is built beside the old ones, with the versions that are still valid.
-- 3. When no snapshot is in use that could miss either, one transaction drops the old ranges and attaches the new one.
-- A reader that began before step 3 and reads after it thus sees the cutoff and the rows. That matters because ATTACH and DROP take
-- effect for old snapshots, too, and rows do not.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_new_table(p_relation_id int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text := format('row_changes_r%s_%s', p_relation_id, nextval('pgtimewarp.relation_range_seq'));
BEGIN
  EXECUTE format('CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.%I INCLUDING ALL EXCLUDING COMMENTS)',
    name, format('row_changes_r%s', p_relation_id));
  EXECUTE format('ALTER TABLE pgtimewarp.%I SET (autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 100)', name);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', name);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', name);
  RETURN name;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_new_table(int) FROM PUBLIC;
