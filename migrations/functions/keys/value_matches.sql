-- Whether a member of a row has the value that a filter asks for, where that takes more than comparing texts. p_json_nulls: the columns whose null is a value of JSON.
CREATE OR REPLACE FUNCTION pgtimewarp.value_matches(
  p_row json, p_json_nulls text[], p_name text, p_filter pgtimewarp.row_filter) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  is_json boolean := coalesce(p_filter.kind = 'json' OR p_filter.kind LIKE '=%', false);
  value text;
BEGIN
  IF p_filter.is_null OR is_json THEN
    value := pgtimewarp.json_text(p_row, p_name);
    IF value = 'null' AND NOT coalesce(p_name = ANY (p_json_nulls), false) THEN
      RETURN p_filter.is_null;
    ELSIF p_filter.is_null THEN
      RETURN false;
    END IF;
  ELSE
    value := pgtimewarp.json_value(p_row, ARRAY[p_name]);
  END IF;
  IF value = p_filter.wanted THEN
    RETURN true;
  ELSIF p_filter.kind = 'json' OR value IS NULL OR p_filter.wanted IS NULL THEN
    RETURN false;
  END IF;
  BEGIN
    RETURN CASE WHEN p_filter.kind LIKE '=%' THEN pgtimewarp.same_value(substr(p_filter.kind, 2), value, p_filter.wanted)
                ELSE pgtimewarp.comparable_value(p_filter.kind, value) = p_filter.wanted END IS TRUE;
  EXCEPTION WHEN data_exception THEN
    RETURN false; -- a value of a type that the column had before
  END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.value_matches(json, text[], text, pgtimewarp.row_filter) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.value_matches(json, text[], text, pgtimewarp.row_filter)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
