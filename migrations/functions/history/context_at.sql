-- The context of a change: the last one at or before the change's place in its transaction. A change without an
-- xid belongs to no transaction: a baseline or a repair found it, perhaps at the position of a commit. PostgreSQL inlines this function
-- into the calling statement, so it has no search_path of its own.
CREATE OR REPLACE FUNCTION pgtimewarp.context_at(p_node_id text, p_space int, p_lsn pg_lsn, p_seq int, p_xid bigint)
RETURNS TABLE (context json)
LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT c.context FROM pgtimewarp.transaction_contexts c
   WHERE c.node_id = p_node_id AND c.lsn_space = p_space AND c.lsn = p_lsn AND c.seq <= p_seq AND p_xid IS NOT NULL
   ORDER BY c.seq DESC LIMIT 1
$$;

REVOKE ALL ON FUNCTION pgtimewarp.context_at(text, int, pg_lsn, int, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.context_at(text, int, pg_lsn, int, bigint)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
