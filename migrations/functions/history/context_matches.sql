-- Whether a context has these values: p_by is {"key": "value"}. A key with dots is also a path into nested objects: user.id.
-- Values are compared as text; without p_by every context matches, and none at all does too.
CREATE OR REPLACE FUNCTION pgtimewarp.context_matches(p_context json, p_by jsonb) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT p_by IS NULL OR p_context IS NOT NULL AND NOT EXISTS (
    SELECT FROM jsonb_each_text(p_by) AS b
     WHERE b.value IS DISTINCT FROM coalesce(
             pgtimewarp.json_value(p_context, ARRAY[b.key]), pgtimewarp.json_value(p_context, string_to_array(b.key, '.'))))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.context_matches(json, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.context_matches(json, jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
