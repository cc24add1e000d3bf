-- A value of a column as a text that is the same for all values that the source's type calls equal; p_kind is one of
-- canonical_value(), or jsonb, or NULL: then values are compared as they are printed. p_value is what a row of the history holds.
CREATE OR REPLACE FUNCTION pgtimewarp.comparable_value(p_kind text, p_value text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN CASE
    -- these print equal values equally
    WHEN p_kind IS NULL OR p_kind IN ('int2', 'int4', 'int8', 'uuid', 'text', 'varchar', 'enum', 'oid', 'name', 'char', 'bool')
      THEN p_value
    WHEN p_kind = 'interval' THEN extract(epoch FROM justify_interval(p_value::interval))::text
    ELSE pgtimewarp.canonical_value(p_kind, p_value)
  END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.comparable_value(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.comparable_value(text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
