-- Whether a range has no rows.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_is_empty(p_table text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  has_row boolean;
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE table_name = p_table;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM pgtimewarp.%I)', p_table) INTO has_row;
  RETURN NOT has_row;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_is_empty(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_is_empty(text)
   TO pgtimewarp_writer, pgtimewarp_admin;
