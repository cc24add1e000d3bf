-- Attaches a range to the partition of its relation. NULL: the range is open at that end.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_attach(p_relation_id int, p_table text, p_from pg_lsn, p_to pg_lsn) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('ALTER TABLE pgtimewarp.%I ATTACH PARTITION pgtimewarp.%I FOR VALUES FROM (%s) TO (%s)',
    format('row_changes_r%s', p_relation_id), p_table,
    coalesce(quote_literal(p_from), 'MINVALUE'), coalesce(quote_literal(p_to), 'MAXVALUE'));
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_attach(int, text, pg_lsn, pg_lsn) FROM PUBLIC;
