-- A key as the history stores it, as a JSON object: {"id":"42"}.
CREATE OR REPLACE FUNCTION pgtimewarp.json_key(p_columns text[], p_pk text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
  SELECT pgtimewarp.json_object_of(p_columns, ARRAY(
    SELECT e.value FROM json_array_elements_text(p_pk::json) WITH ORDINALITY AS e ORDER BY e.ordinality))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.json_key(text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_key(text[], text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
