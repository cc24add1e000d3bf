-- Raises TW007 if changes of a relation in (p_from, …] are in the archive alone, for questions that read the store only. Otherwise true,
-- so that a condition can call it.
CREATE OR REPLACE FUNCTION pgtimewarp.refuse_archived(p_relation_id int, p_from pg_lsn) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  period pgtimewarp.relation_periods;
BEGIN
  IF EXISTS (SELECT FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = p_relation_id AND p_from + 1 < a.before_lsn) THEN
    SELECT p.* INTO period FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = p_relation_id;
    PERFORM pgtimewarp.archived_part(NULL, period, pgtimewarp.archived_before(period, p_from), p_from, 'FFFFFFFF/FFFFFFFF');
  END IF;
  RETURN true;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_archived(int, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.refuse_archived(int, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
