-- Refuses a place (TW006) that comes from a page about another table: it is not a place in the history of this one.
CREATE OR REPLACE FUNCTION pgtimewarp.refuse_other_cursor(p_node_id text, p_schema text, p_table text, p_after_relation_id int)
RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF p_after_relation_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM pgtimewarp.relation_periods AS p
        WHERE p.relation_id = p_after_relation_id AND p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table) THEN
    RAISE EXCEPTION 'not a cursor of an earlier page about this table' USING ERRCODE = 'TW006', HINT = 'Start without a cursor.';
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_other_cursor(text, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.refuse_other_cursor(text, text, text, int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
