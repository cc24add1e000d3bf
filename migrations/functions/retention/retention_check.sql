-- For ranges too large to be scanned under a lock: adds a CHECK constraint, which retention_validate() checks while others read.
-- New rows past it would be refused, so only the run that holds the claim may leave it there, and the next run removes it first.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_check(p_relation_id int, p_table text, p_to pg_lsn) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = p_table;
  IF FOUND THEN
    EXECUTE format('ALTER TABLE pgtimewarp.%I ADD CONSTRAINT pgtimewarp_closing CHECK (valid_from_lsn < %L) NOT VALID',
      p_table, p_to);
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_check(int, text, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_check(int, text, pg_lsn)
   TO pgtimewarp_writer, pgtimewarp_admin;
