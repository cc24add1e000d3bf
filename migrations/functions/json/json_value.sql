-- The text of the value at a path of JSON; NULL where there is none. A text that holds \u0000 is NULL too: no text is equal to it.
-- PostgreSQL's own operators refuse a document that has \u0000 anywhere.
CREATE OR REPLACE FUNCTION pgtimewarp.json_value(p_json json, p_path text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF position(chr(92) || 'u' IN p_json::text) = 0 THEN
    RETURN p_json #>> p_path;
  END IF;
  RETURN pgtimewarp.json_stood_for(
    pgtimewarp.json_stand_in(p_json::text, false)::json #>> ARRAY(
      SELECT pgtimewarp.json_stand_in(substr(to_json(u.step)::text, 2, length(to_json(u.step)::text) - 2), false)
        FROM unnest(p_path) WITH ORDINALITY AS u (step, place) ORDER BY u.place), true);
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
  RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.json_value(json, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_value(json, text[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
