-- The rows of table_rows() in the order of columns (see sort_place()), then of keys: those after the row with the key p_after. Rows whose
-- place is not known come first: they are unknown (is_there NULL), or lack the values of these columns (`incomplete`). In the order of
-- columns of the key an unknown row has its place. Raises TW007 if only the archive has the position.
--
-- No index has this order, so a page reads the whole table, in chunks, and keeps the keys of its first rows: time grows with the
-- table, memory does not. The order of a key that is one whole number is found by look-ups, see keys_by_number().
CREATE OR REPLACE FUNCTION pgtimewarp.table_rows_by(
  p_relation_id int, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_order text[], p_descending boolean, p_after text, p_limit int,
  p_max_bytes bigint)
RETURNS SETOF pgtimewarp.row_at
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  CHUNK_ROWS CONSTANT int := 5000;
  CHUNK_BYTES CONSTANT bigint := 16777216;
  LOOK_UPS CONSTANT int := 2000 + 5 * p_limit;
  period pgtimewarp.relation_periods := (SELECT p FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = p_relation_id);
  filters pgtimewarp.row_filter[] := '{}';
  names text[] := '{}';
  after text := p_after;
  after_place pgtimewarp.row_place;
  best pgtimewarp.row_place[] := '{}';
  keys text[];
  read_to text; -- the key with which the last chunk ended
  wanted int;
  looked_up int := 0;
  chunk record;
  place pgtimewarp.row_place;
  v pgtimewarp.row_at;
  given int := 0;
  bytes bigint := 0;
BEGIN
  PERFORM pgtimewarp.refuse_archived(p_relation_id, p_lsn);
  FOR place_of IN 1..cardinality(p_order) LOOP
    filters := filters || pgtimewarp.row_filters(period, jsonb_build_object(p_order[place_of], NULL), true);
    names := names || (filters[place_of]).names;
  END LOOP;

  IF p_where = '{}' AND p_order = period.pk_columns AND period.pk_kinds[1] IN ('int2', 'int4', 'int8') AND cardinality(p_order) = 1 THEN
    LOOP
      wanted := least(p_limit - given, 50);
      keys := pgtimewarp.keys_by_number(p_relation_id, p_lsn, after, p_descending, wanted, LOOK_UPS);
      EXIT WHEN keys IS NULL;
      FOR v IN SELECT r.*
                 FROM pgtimewarp.table_rows(p_relation_id, p_lsn, p_through, '{}', NULL, wanted, 9223372036854775807, keys) AS r
                ORDER BY array_position(keys, r.pk) LOOP
        RETURN NEXT v;
        given := given + 1;
        bytes := bytes + coalesce(octet_length(v.row_data::text), 0);
        IF given >= p_limit OR bytes > p_max_bytes THEN
          RETURN;
        END IF;
      END LOOP;
      IF cardinality(keys) < wanted THEN
        RETURN;
      END IF;
      after := keys[wanted];
      looked_up := looked_up + wanted; -- perhaps most of them were deleted
      EXIT WHEN looked_up > LOOK_UPS;
    END LOOP;
  END IF;

  IF after IS NOT NULL THEN
    SELECT r.* INTO v FROM pgtimewarp.rows_at(p_relation_id, p_lsn, p_keys => ARRAY[after]) AS r;
    IF v.pk IS NULL THEN
      RAISE EXCEPTION 'the row where the last page ended is no longer in the history' USING ERRCODE = 'TW006', HINT = 'Start without a cursor.';
    END IF;
    after_place := pgtimewarp.place_of_row(v, period.pk_columns, filters);
  END IF;
  LOOP
    EXECUTE format(
      'WITH page AS MATERIALIZED (
         SELECT r.pk, pgtimewarp.place_of_row(r, $1, $2) AS place, octet_length(r.row_data::text) AS bytes
           FROM pgtimewarp.table_rows($3, $4, $5, $6, $7, $8, $9) AS r),
       best AS (
         SELECT b.place FROM (
                SELECT u AS place FROM unnest($10) AS u
                 UNION ALL
                SELECT p.place FROM page AS p
                 WHERE $11 IS NULL OR (p.place).is_placed AND ((p.place).places, (p.place).pk) %2$s (($12).places, ($12).pk)) AS b
          ORDER BY (b.place).is_placed, (b.place).places %1$s, (b.place).pk %1$s LIMIT $13)
       SELECT ARRAY(SELECT b.place FROM best AS b) AS best,
              (SELECT max(p.pk) FROM page AS p) AS last, (SELECT count(*) >= $8 OR sum(p.bytes) > $9 FROM page AS p) AS goes_on',
      CASE WHEN p_descending THEN 'DESC' ELSE '' END, CASE WHEN p_descending THEN '<' ELSE '>' END)
      INTO chunk
      USING period.pk_columns, filters, p_relation_id, p_lsn, p_through, p_where, read_to, CHUNK_ROWS, CHUNK_BYTES, best, after, after_place,
            p_limit - given;
    best := chunk.best;
    EXIT WHEN NOT coalesce(chunk.goes_on, false);
    read_to := chunk.last;
  END LOOP;

  FOREACH place IN ARRAY best LOOP
    SELECT r.* INTO v FROM pgtimewarp.table_rows(p_relation_id, p_lsn, p_through, '{}', NULL, 1, p_max_bytes, ARRAY[place.pk]) AS r;
    IF NOT place.is_placed THEN
      v.incomplete := v.incomplete || names;
    END IF;
    RETURN NEXT v;
    bytes := bytes + coalesce(octet_length(v.row_data::text), 0);
    EXIT WHEN bytes > p_max_bytes;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.table_rows_by(int, pg_lsn, pg_lsn, jsonb, text[], boolean, text, int, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.table_rows_by(int, pg_lsn, pg_lsn, jsonb, text[], boolean, text, int, bigint)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
