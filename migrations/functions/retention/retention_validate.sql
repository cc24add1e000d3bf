-- Validates the constraint of retention_check() against the existing rows, while others read and write.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_validate(p_relation_id int, p_table text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = p_table;
  IF FOUND THEN
    EXECUTE format('ALTER TABLE pgtimewarp.%I VALIDATE CONSTRAINT pgtimewarp_closing', p_table);
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_validate(int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_validate(int, text)
   TO pgtimewarp_writer, pgtimewarp_admin;
