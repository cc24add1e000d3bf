-- {"lsn", "ts", "xid"} of a commit, or null.
CREATE OR REPLACE FUNCTION pgtimewarp.json_commit(p_lsn pg_lsn, p_ts timestamptz, p_xid bigint) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_lsn IS NULL THEN 'null' ELSE
    '{"lsn":"' || p_lsn || '","ts":' || pgtimewarp.json_instant(p_ts)
    || ',"xid":' || coalesce('"' || p_xid || '"', 'null') || '}' END
$$;

REVOKE ALL ON FUNCTION pgtimewarp.json_commit(pg_lsn, timestamptz, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_commit(pg_lsn, timestamptz, bigint)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
