-- The text that a member's name or a string stands for, in JSON that is `json_stand_in(…, false)`, where `p_escaped` says that it is.
CREATE OR REPLACE FUNCTION pgtimewarp.json_stood_for(p_text text, p_escaped boolean) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN p_escaped THEN pgtimewarp.json_stand_in('"' || p_text || '"', true)::json #>> '{}' ELSE p_text END
$$;

REVOKE ALL ON FUNCTION pgtimewarp.json_stood_for(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_stood_for(text, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
