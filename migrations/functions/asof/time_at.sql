-- Time of the last commit at or before a position.
CREATE OR REPLACE FUNCTION pgtimewarp.time_at(p_node_id text, p_space int, p_lsn pg_lsn) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT m.ts FROM pgtimewarp.lsn_time_map m
   WHERE m.node_id = p_node_id AND m.lsn_space = p_space AND m.lsn <= p_lsn ORDER BY m.lsn DESC LIMIT 1
$$;

REVOKE ALL ON FUNCTION pgtimewarp.time_at(text, int, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.time_at(text, int, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
