-- The JSON text of a member of an object; NULL if it has none.
CREATE OR REPLACE FUNCTION pgtimewarp.json_text(p_json json, p_name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  name text := to_json(p_name);
BEGIN
  IF position(chr(92) || 'u' IN p_json::text) = 0 THEN
    RETURN p_json -> p_name;
  END IF;
  RETURN pgtimewarp.json_stand_in((
    pgtimewarp.json_stand_in(p_json::text, false)::json
    -> pgtimewarp.json_stand_in(substr(name, 2, length(name) - 2), false))::text, true);
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.json_text(json, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_text(json, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
