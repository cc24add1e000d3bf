-- A text that changes whenever another node of the lineage defines times; NULL while there is no other node.
CREATE OR REPLACE FUNCTION pgtimewarp.lineage_marks(p_node_id text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT string_agg(concat_ws(' ', l.node_id, l.lsn_space, l.applied_lsn, l.applied_ts), ',' ORDER BY l.node_id)
    FROM pgtimewarp.lineage(p_node_id) l WHERE l.node_id <> p_node_id
$$;

REVOKE ALL ON FUNCTION pgtimewarp.lineage_marks(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.lineage_marks(text)
   TO pgtimewarp_writer, pgtimewarp_admin;
