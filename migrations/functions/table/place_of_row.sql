-- The place of a row of table_rows() in the order of some columns, each as row_filters() describes it. A value of the key comes from the
-- key, also if the row is not known. is_placed is false if a column is not of the key, and the row, or which value of it belongs to the
-- column, is not known.
CREATE OR REPLACE FUNCTION pgtimewarp.place_of_row(
  p_row pgtimewarp.row_at, p_pk_columns text[], p_filters pgtimewarp.row_filter[]) RETURNS pgtimewarp.row_place
LANGUAGE plpgsql STABLE AS $$
DECLARE
  place pgtimewarp.row_place;
  filter pgtimewarp.row_filter;
  names text[];
  key int;
BEGIN
  place.is_placed := true;
  place.pk := p_row.pk;
  place.places := '{}';
  FOREACH filter IN ARRAY p_filters LOOP
    key := coalesce(array_position(p_pk_columns, filter.name), array_position(p_pk_columns, filter.names[1]));
    IF key IS NOT NULL THEN
      place.places := place.places || pgtimewarp.sort_place(filter.kind, p_row.pk::json ->> (key - 1));
      CONTINUE;
    END IF;
    names := pgtimewarp.names_at(filter, p_row.row_data, p_row.incomplete, p_row.valid_from_lsn);
    -- the value may be that of an earlier column of this name, or the row may have been read while the column was renamed
    IF p_row.is_there IS NULL OR cardinality(names) > 1 OR names && p_row.incomplete OR EXISTS (
         SELECT FROM unnest(filter.names, filter.since, filter.until) AS u (name, since, until)
          WHERE u.name = names[1] AND u.since >= p_row.valid_from_lsn AND pgtimewarp.json_has(p_row.row_data, u.name)
             OR p_row.op = 'S' AND cardinality(filter.names) > 1 AND u.until BETWEEN p_row.valid_from_lsn AND p_row.read_lsn) THEN
      place.is_placed := false;
    END IF;
    place.places := place.places || pgtimewarp.sort_place(filter.kind, pgtimewarp.json_value(p_row.row_data, ARRAY[names[1]]));
  END LOOP;
  RETURN place;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.place_of_row(pgtimewarp.row_at, text[], pgtimewarp.row_filter[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.place_of_row(pgtimewarp.row_at, text[], pgtimewarp.row_filter[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
