-- A value of a column as a text that is the same for all values that the source's type calls equal; p_kind is interval or one
-- of canonical_value(). p_value is what a row of the history holds.
CREATE OR REPLACE FUNCTION pgtimewarp.comparable_value(p_kind text, p_value text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN CASE
    WHEN p_kind = 'interval' THEN extract(epoch FROM justify_interval(p_value::interval))::text
    ELSE pgtimewarp.canonical_value(p_kind, p_value)
  END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.comparable_value(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.comparable_value(text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
