-- The columns whose change was asked for, as filters without a value; NULL: none was asked for.
-- p_is_judge: as in row_filters(). Raises TW006 for a column that the table has not, or that is excluded.
CREATE OR REPLACE FUNCTION pgtimewarp.changed_filter(p_period pgtimewarp.relation_periods, p_columns jsonb, p_is_judge boolean)
RETURNS pgtimewarp.row_filter[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN CASE WHEN p_columns IS NOT NULL THEN pgtimewarp.row_filters(
    p_period, (SELECT jsonb_object_agg(c.name, NULL) FROM jsonb_array_elements_text(p_columns) AS c (name)), p_is_judge) END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.changed_filter(pgtimewarp.relation_periods, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.changed_filter(pgtimewarp.relation_periods, jsonb, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
