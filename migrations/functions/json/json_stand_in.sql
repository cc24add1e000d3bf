-- A JSON text without any escape, in which nothing but strings is another: ~ is written ~0, \\ ~1, \" ~2, and a \ before
-- anything else ~3. And back, of any part of such a text.
CREATE OR REPLACE FUNCTION pgtimewarp.json_stand_in(p_json text, p_back boolean) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN p_back
    THEN replace(replace(replace(replace(p_json, '~3', chr(92)), '~2', chr(92) || '"'), '~1', repeat(chr(92), 2)), '~0', '~')
    ELSE replace(replace(replace(replace(p_json, '~', '~0'), repeat(chr(92), 2), '~1'), chr(92) || '"', '~2'), chr(92), '~3') END
$$;

REVOKE ALL ON FUNCTION pgtimewarp.json_stand_in(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_stand_in(text, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
