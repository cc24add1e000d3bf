-- A JSON object of strings, its members in the given order. Called by functions that have set search_path.
CREATE OR REPLACE FUNCTION pgtimewarp.json_object_of(p_names text[], p_values text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  members text := '';
BEGIN
  FOR place IN 1 .. cardinality(p_names) LOOP
    members := members || CASE WHEN place > 1 THEN ',' ELSE '' END
      || to_json(p_names[place]) || ':' || to_json(p_values[place]);
  END LOOP;
  RETURN '{' || members || '}';
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.json_object_of(text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_object_of(text[], text[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
