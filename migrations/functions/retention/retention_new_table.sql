-- Makes an empty table of the shape of a range, attached to nothing. Insert-only tables are vacuumed by inserts alone.
--
-- Retention: history older than a window is forgotten, every instant inside stays answerable. A relation with retention has its
-- partition cut into ranges of valid_from_lsn. Forgetting is three committed steps:
-- the cutoff moves (from then on readers answer `expired` below it), a new lowest range is built beside with what is
-- still valid, and, once no snapshot is left that could miss either, one transaction drops the old ranges and attaches
-- the new one. A reader that began before the exchange and reads after it thus sees the cutoff and the rows: attaching
-- and dropping are not subject to snapshots, rows are.
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
