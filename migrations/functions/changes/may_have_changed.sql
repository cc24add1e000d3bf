-- Whether one of the columns differs between two rows, or may differ because its value is not known. p_changed: what changed_columns()
-- says of the rows. p_columns, p_before_columns: the columns asked for, in the period of each row: see changed_filter().
-- Nine parameters: two rows, each with its columns, and what differs.
CREATE OR REPLACE FUNCTION pgtimewarp.may_have_changed(
  p_changed json, p_before_columns pgtimewarp.row_filter[], p_before json, p_before_incomplete text[], p_before_lsn pg_lsn,
  p_columns pgtimewarp.row_filter[], p_row json, p_incomplete text[], p_lsn pg_lsn) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  column_filter pgtimewarp.row_filter;
  names text[] := '{}';
BEGIN
  FOREACH column_filter IN ARRAY p_before_columns LOOP
    names := names || pgtimewarp.names_at(column_filter, p_before, p_before_incomplete, p_before_lsn);
  END LOOP;
  FOREACH column_filter IN ARRAY p_columns LOOP
    names := names || pgtimewarp.names_at(column_filter, p_row, p_incomplete, p_lsn);
  END LOOP;
  RETURN coalesce(names && (p_before_incomplete || p_incomplete), false)
    OR EXISTS (SELECT FROM unnest(names) AS u (name) WHERE pgtimewarp.json_has(p_changed, u.name));
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.may_have_changed(json, pgtimewarp.row_filter[], json, text[], pg_lsn, pgtimewarp.row_filter[], json, text[], pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.may_have_changed(json, pgtimewarp.row_filter[], json, text[], pg_lsn, pgtimewarp.row_filter[], json, text[], pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
