-- The canonical values of a key that a person gave: an object with each key column, or the bare value of a one-column key. A value
-- may be a string, a number (jsonb keeps all digits) or a boolean. Called by functions that have set search_path.
-- Raises TW002. With p_refuses = false a value that the key column cannot have gives NULL: no row had this key.
CREATE OR REPLACE FUNCTION pgtimewarp.canonical_key_values(
  p_columns text[], p_kinds text[], p_pk jsonb, p_refuses boolean DEFAULT true) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
  given jsonb := p_pk;
  item jsonb;
  result text[] := '{}';
  hint text := 'Name every key column once: ' || array_to_string(p_columns, ', ') || '.';
  unknown text;
  problem text;
BEGIN
  IF jsonb_typeof(given) IS DISTINCT FROM 'object' THEN
    IF cardinality(p_columns) <> 1 THEN
      RAISE EXCEPTION 'the key has % columns, and one bare value was given', cardinality(p_columns)
        USING ERRCODE = 'TW002', HINT = hint;
    END IF;
    given := jsonb_build_object(p_columns[1], given);
  ELSIF given - p_columns <> '{}' THEN
    SELECT string_agg(name, ', ') INTO unknown FROM jsonb_object_keys(given - p_columns) AS name;
    RAISE EXCEPTION 'not a column of the key: %', unknown USING ERRCODE = 'TW002', HINT = hint;
  END IF;
  BEGIN
    FOR place IN 1 .. cardinality(p_columns) LOOP
      item := given -> p_columns[place];
      IF item IS NULL THEN
        RAISE EXCEPTION 'the key column % is missing', p_columns[place] USING ERRCODE = 'TW002', HINT = hint;
      ELSIF jsonb_typeof(item) IN ('null', 'object', 'array') THEN
        RAISE EXCEPTION 'the key column % cannot be %', p_columns[place], jsonb_typeof(item)
          USING ERRCODE = 'TW002', HINT = 'Give a string, a number or a boolean.';
      END IF;
      unknown := p_columns[place]; -- for the message if the cast fails
      result[place] := pgtimewarp.canonical_value(p_kinds[place], item #>> '{}');
    END LOOP;
  EXCEPTION WHEN data_exception THEN
    IF NOT p_refuses THEN
      RETURN NULL;
    END IF;
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
    RAISE EXCEPTION 'the key column % cannot have this value: %', unknown, problem USING ERRCODE = 'TW002', HINT = hint;
  END;
  RETURN result;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.canonical_key_values(text[], text[], jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.canonical_key_values(text[], text[], jsonb, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
