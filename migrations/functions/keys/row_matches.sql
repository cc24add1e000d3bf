-- Whether a row has all these values. One that lacks the value of such a column (`incomplete`) may have it, and matches: a
-- question must not leave out in silence what it cannot judge.
CREATE OR REPLACE FUNCTION pgtimewarp.row_matches(p_row json, p_incomplete text[], p_filters pgtimewarp.row_filter[]) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  filter pgtimewarp.row_filter;
  held text;
BEGIN
  IF p_row IS NULL THEN
    RETURN false;
  END IF;
  FOREACH filter IN ARRAY p_filters LOOP
    CONTINUE WHEN filter.names && p_incomplete;
    held := NULL;
    FOR place IN 1 .. cardinality(filter.names) LOOP
      held := coalesce(pgtimewarp.json_value(p_row, ARRAY[filter.names[place]]), held);
    END LOOP;
    IF held IS NULL OR pgtimewarp.comparable_value(filter.kind, held) IS DISTINCT FROM filter.wanted THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.row_matches(json, text[], pgtimewarp.row_filter[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.row_matches(json, text[], pgtimewarp.row_filter[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
