-- Whether a member of a row, as JSON text, and a value as people write it are the same value of a type of the server, as its
-- operator compares. The settings are those under which the source prints. NULL if the row has NULL; p_json NULL: only p_value is judged.
CREATE OR REPLACE FUNCTION pgtimewarp.same_value(p_type text, p_json text, p_value text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
  is_same boolean;
BEGIN
  -- arrays are JSON arrays in a row: json_to_record() reads them as the source would
  EXECUTE format('SELECT r.v = $2::%1$s FROM json_to_record(($1)::json) AS r (v %1$s)', p_type::regtype)
     INTO is_same USING '{"v":' || coalesce(p_json, 'null') || '}', p_value;
  RETURN is_same;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.same_value(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.same_value(text, text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
