-- The frame of an answer to SQL on a source: {"unknown", "final", "horizon"}.
CREATE OR REPLACE FUNCTION pgtimewarp.json_frame(p_unknown json, p_final boolean, p_horizon_ts timestamptz) RETURNS json
LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.json_build_object(
    'unknown', p_unknown, 'final', p_final, 'horizon', pgtimewarp.json_instant(p_horizon_ts)::json)
$$;

REVOKE ALL ON FUNCTION pgtimewarp.json_frame(json, boolean, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_frame(json, boolean, timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
