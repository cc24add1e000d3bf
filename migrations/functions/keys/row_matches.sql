-- Whether a row, written at a position, has all these values. One that lacks the value of such a column (`incomplete`, or a column
-- that the history does not hold) may have it, and matches: a question must not leave out in silence what it cannot judge. Where it
-- is not known which name the column had, a value under any of them counts.
CREATE OR REPLACE FUNCTION pgtimewarp.row_matches(
  p_row json, p_json_nulls text[], p_incomplete text[], p_lsn pg_lsn, p_filters pgtimewarp.row_filter[]) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  filter pgtimewarp.row_filter;
  names text[];
  name text;
  has_it boolean;
BEGIN
  IF p_row IS NULL THEN
    RETURN false;
  END IF;
  FOREACH filter IN ARRAY p_filters LOOP
    names := pgtimewarp.names_at(filter, p_row, p_incomplete, p_lsn);
    CONTINUE WHEN names && p_incomplete;
    has_it := false;
    FOREACH name IN ARRAY names LOOP
      has_it := CASE WHEN filter.as_printed THEN coalesce(pgtimewarp.json_value(p_row, ARRAY[name]) = filter.wanted, false)
                     ELSE pgtimewarp.value_matches(p_row, p_json_nulls, name, filter) END;
      EXIT WHEN has_it;
    END LOOP;
    IF NOT has_it AND NOT (filter.may_lack AND NOT EXISTS (SELECT FROM unnest(names) AS u (name) WHERE pgtimewarp.json_has(p_row, u.name))) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.row_matches(json, text[], text[], pg_lsn, pgtimewarp.row_filter[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.row_matches(json, text[], text[], pg_lsn, pgtimewarp.row_filter[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
