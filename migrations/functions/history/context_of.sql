-- What the transaction said about itself that made a change: the change with this number in the transaction.
-- Every question about contexts reads through here. (STABLE and without settings of its own: otherwise it would not be inlined.)
CREATE OR REPLACE FUNCTION pgtimewarp.context_of(p_node_id text, p_space int, p_lsn pg_lsn, p_seq int) RETURNS json
LANGUAGE sql STABLE AS $$
  SELECT c.context FROM pgtimewarp.transaction_contexts AS c
   WHERE c.node_id = p_node_id AND c.lsn_space = p_space AND c.lsn = p_lsn
$$;

REVOKE ALL ON FUNCTION pgtimewarp.context_of(text, int, pg_lsn, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.context_of(text, int, pg_lsn, int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
