-- The text of a key value whose input or output depends on settings. They have the same values here as on sessions of the source.
-- A word such as today is refused: it would be another key tomorrow, while the answer is final and may be kept.
CREATE OR REPLACE FUNCTION pgtimewarp.canonical_value_fixed(p_kind text, p_value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C' AS $$
BEGIN
  IF p_kind IN ('date', 'time', 'timetz', 'timestamp', 'timestamptz') AND p_value ~* '\m(now|today|tomorrow|yesterday)\M' THEN
    RAISE EXCEPTION '"%" changes with the clock, write the date or time itself', p_value USING ERRCODE = 'invalid_datetime_format';
  END IF;
  RETURN CASE p_kind
    WHEN 'float4' THEN (p_value::float4 + 0::float4)::text -- + 0 turns -0 into 0, which is the same key
    WHEN 'float8' THEN (p_value::float8 + 0)::text
    WHEN 'bytea' THEN p_value::bytea::text
    WHEN 'date' THEN p_value::date::text
    WHEN 'time' THEN p_value::time::text
    WHEN 'timetz' THEN p_value::timetz::text
    WHEN 'timestamp' THEN p_value::timestamp::text
    WHEN 'timestamptz' THEN p_value::timestamptz::text
    WHEN 'money' THEN p_value::money::text
  END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.canonical_value_fixed(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.canonical_value_fixed(text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
