-- The names under which a change of these columns shows in `changed`: all that they have had. NULL: it was not asked for.
-- p_is_judge: as in row_filters(). Raises TW006 for a column that the table has not, or that is excluded.
CREATE OR REPLACE FUNCTION pgtimewarp.changed_filter(p_period pgtimewarp.relation_periods, p_columns jsonb, p_is_judge boolean)
RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
  filter pgtimewarp.row_filter;
  names text[] := '{}';
BEGIN
  IF p_columns IS NULL THEN
    RETURN NULL;
  END IF;
  -- without values only the columns are judged
  FOREACH filter IN ARRAY pgtimewarp.row_filters(
    p_period, (SELECT jsonb_object_agg(c.name, NULL) FROM jsonb_array_elements_text(p_columns) AS c (name)), p_is_judge)
  LOOP
    names := names || filter.name || filter.names;
  END LOOP;
  RETURN names;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.changed_filter(pgtimewarp.relation_periods, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.changed_filter(pgtimewarp.relation_periods, jsonb, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
