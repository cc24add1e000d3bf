-- Whether a JSON object has a member of this name, whatever its value.
CREATE OR REPLACE FUNCTION pgtimewarp.json_has(p_json json, p_name text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  escaped boolean := position(chr(92) || 'u' IN p_json::text) > 0;
  name text := to_json(p_name);
BEGIN
  IF NOT escaped THEN
    RETURN (p_json -> p_name) IS NOT NULL;
  END IF;
  RETURN (pgtimewarp.json_stand_in(p_json::text, false)::json
          -> pgtimewarp.json_stand_in(substr(name, 2, length(name) - 2), false)) IS NOT NULL;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.json_has(json, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_has(json, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
