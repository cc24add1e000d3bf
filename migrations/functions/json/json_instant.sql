-- RFC 3339 in UTC with six decimals, as a JSON string; infinite instants and NULL give null. (STABLE, as to_char() is,
-- and without settings of its own: otherwise it would not be inlined.)
CREATE OR REPLACE FUNCTION pgtimewarp.json_instant(p_ts timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN pg_catalog.isfinite(p_ts)
    THEN pg_catalog.to_char(p_ts AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""') ELSE 'null' END
$$;

REVOKE ALL ON FUNCTION pgtimewarp.json_instant(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_instant(timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
