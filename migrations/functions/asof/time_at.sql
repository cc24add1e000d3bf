-- Time of the last commit at or before a position.
CREATE OR REPLACE FUNCTION pgtimewarp.time_at(p_node_id text, p_space int, p_lsn pg_lsn) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.ts FROM pgtimewarp.commit_at_lsn(p_node_id, p_space, p_lsn) c
$$;

REVOKE ALL ON FUNCTION pgtimewarp.time_at(text, int, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.time_at(text, int, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
