-- The commits whose contexts have these values (p_by: see context_matches()), if the index on hashes finds at most p_max
-- contexts. NULL if it finds more, or if p_by is NULL. This function decides about the index because the planner underestimates
-- how rare a value can be.
CREATE OR REPLACE FUNCTION pgtimewarp.commits_by(p_node_id text, p_by jsonb, p_max int, OUT spaces int[], OUT lsns pg_lsn[])
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
  WITH hashed AS MATERIALIZED (
    SELECT c.node_id, c.lsn_space, c.lsn, c.context
      FROM pgtimewarp.transaction_contexts AS c
     WHERE c.value_hashes @> pgtimewarp.context_hashes(p_by) OR c.value_hashes @> '{0}'
     LIMIT p_max + 1)
  SELECT CASE WHEN (SELECT count(*) FROM hashed) <= p_max THEN coalesce(array_agg(k.lsn_space ORDER BY k.lsn_space, k.lsn), '{}') END,
         CASE WHEN (SELECT count(*) FROM hashed) <= p_max THEN coalesce(array_agg(k.lsn ORDER BY k.lsn_space, k.lsn), '{}') END
    FROM (SELECT DISTINCT h.lsn_space, h.lsn FROM hashed AS h
           WHERE h.node_id = p_node_id AND pgtimewarp.context_matches(h.context, p_by)) AS k
$$;

REVOKE ALL ON FUNCTION pgtimewarp.commits_by(text, jsonb, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.commits_by(text, jsonb, int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
