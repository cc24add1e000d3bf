-- The place of a value in an order: numbers, dates and times by what they are, everything else by its text, byte by byte. The
-- collation and the enums of the source are not known here. NULL, and a value of a type that the column had before, come last.
-- Of long texts the beginning counts. p_kind as in comparable_value().
CREATE OR REPLACE FUNCTION pgtimewarp.sort_place(p_kind text, p_value text) RETURNS pgtimewarp.sort_place
LANGUAGE plpgsql STABLE AS $$
DECLARE
  place pgtimewarp.sort_place;
BEGIN
  IF p_kind IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8', 'oid', 'xid8') THEN
    IF p_value ~ '^(-?\d+(\.\d+)?([eE][-+]?\d{1,3})?|NaN|-?Infinity)$' THEN
      place.number := p_value::numeric;
    END IF;
  ELSIF p_kind IN ('date', 'timestamp', 'timestamptz', 'interval', 'pg_lsn', 'money') THEN
    BEGIN
      place.number := CASE
        WHEN p_kind = 'interval' THEN pgtimewarp.comparable_value(p_kind, p_value)::numeric
        WHEN p_kind = 'pg_lsn' THEN p_value::pg_lsn - '0/0'::pg_lsn
        WHEN p_kind = 'money' THEN translate(p_value, '$,', '')::numeric
        -- a word such as now, which a text may have held
        WHEN p_value !~ '^(\d{4,7}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d(:\d\d){0,2})?)?( BC)?|-?infinity)$' THEN NULL
        WHEN p_kind = 'date' THEN extract(epoch FROM p_value::date)
        WHEN p_kind = 'timestamp' THEN extract(epoch FROM p_value::timestamp)
        ELSE extract(epoch FROM p_value::timestamptz) END;
    EXCEPTION WHEN data_exception THEN
      NULL; -- by its text
    END;
  END IF;
  IF place.number IS NULL THEN
    place.text := left(p_value, 500);
  END IF;
  RETURN place;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.sort_place(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.sort_place(text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
