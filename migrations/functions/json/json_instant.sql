-- RFC 3339 in UTC with six decimals, as a JSON string; infinite instants and NULL give null. It is STABLE, like to_char(), and has
-- no SET clause, so that the planner can inline it.
CREATE OR REPLACE FUNCTION pgtimewarp.json_instant(p_ts timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN pg_catalog.isfinite(p_ts)
    THEN pg_catalog.to_char(p_ts AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""') ELSE 'null' END
$$;

REVOKE ALL ON FUNCTION pgtimewarp.json_instant(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_instant(timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
