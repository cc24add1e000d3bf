-- Splits a range at positions past all of its rows: it keeps the part before the first position, and empty ranges take the others.
-- The server verifies this by a scan, or by the constraint of retention_check().
CREATE OR REPLACE FUNCTION pgtimewarp.retention_split(p_relation_id int, p_table text, p_at pg_lsn[], p_opened_ts timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  name text;
BEGIN
  SELECT * INTO STRICT r FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.table_name = p_table AND g.state = 'attached';
  EXECUTE format('ALTER TABLE pgtimewarp.%I DETACH PARTITION pgtimewarp.%I',
    format('row_changes_r%s', p_relation_id), p_table);
  PERFORM pgtimewarp.retention_attach(p_relation_id, p_table, r.from_lsn, p_at[1]);
  UPDATE pgtimewarp.relation_ranges SET to_lsn = p_at[1] WHERE relation_id = p_relation_id AND table_name = p_table;
  FOR place IN 1 .. cardinality(p_at) LOOP
    name := pgtimewarp.retention_new_table(p_relation_id);
    PERFORM pgtimewarp.retention_attach(p_relation_id, name, p_at[place],
      CASE WHEN place = cardinality(p_at) THEN r.to_lsn ELSE p_at[place + 1] END);
    INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, from_lsn, to_lsn, opened_ts, state)
    VALUES (p_relation_id, name, p_at[place],
      CASE WHEN place = cardinality(p_at) THEN r.to_lsn ELSE p_at[place + 1] END,
      CASE WHEN place = 1 THEN p_opened_ts END, 'attached');
  END LOOP;
  EXECUTE format('ALTER TABLE pgtimewarp.%I DROP CONSTRAINT IF EXISTS pgtimewarp_closing', p_table);
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_split(int, text, pg_lsn[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_split(int, text, pg_lsn[], timestamptz)
   TO pgtimewarp_writer, pgtimewarp_admin;
