-- Raises TW005 unless the history under this name belongs to the table with this OID. NULL: the question names no OID.
CREATE OR REPLACE FUNCTION pgtimewarp.refuse_other_table(p_node_id text, p_schema text, p_table text, p_relid oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM pgtimewarp.tracked_relations t
              WHERE t.node_id = p_node_id AND t.schema_name = p_schema AND t.table_name = p_table AND t.relid <> p_relid) THEN
    RAISE EXCEPTION 'the history under the name %.% belongs to another table',
                    quote_ident(p_schema), quote_ident(p_table)
      USING ERRCODE = 'TW005', HINT = 'Ask again after the next run. A table that is not tracked any more has to be tracked again.';
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_other_table(text, text, text, oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.refuse_other_table(text, text, text, oid)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
