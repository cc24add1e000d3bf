-- Raises the error that explains why there is no period to look into. Its hint helps callers in SQL. Never returns.
CREATE OR REPLACE FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id) THEN
    RAISE EXCEPTION 'the store has no node "%"', coalesce(p_node_id, 'NULL')
      USING ERRCODE = 'TW003', HINT = 'Run `pgtimewarp init --node NAME`, or see the names with `pgtimewarp status`.';
  END IF;
  RAISE EXCEPTION 'the table %.% is not tracked under node %', quote_ident(p_schema), quote_ident(p_table), p_node_id
    USING ERRCODE = 'TW001', HINT = 'Start with `pgtimewarp track TABLE`, or name the right node.';
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.raise_not_tracked(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.raise_not_tracked(text, text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
