-- The rows of a table as of a position of table_at(), in the order of keys, page by page: the rows after p_after that existed,
-- or of which that is not known (is_there NULL). A page ends after p_limit rows, or with the row that brings it above
-- p_max_bytes; an empty page is the last one. p_where: {"column": "value"}, compared as in row_matches(); a row that is not
-- known passes. p_keys: only the rows with these keys.
--
-- If only the archive has the position, p_archived must have a part with what is needed of the keys after p_after (archived_part());
-- otherwise this raises TW007. An empty page then means that no row follows up to the end of that part.
CREATE OR REPLACE FUNCTION pgtimewarp.table_rows(
  p_relation_id int, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_after text, p_limit int, p_max_bytes bigint,
  p_keys text[] DEFAULT NULL, p_archived json DEFAULT NULL)
RETURNS SETOF pgtimewarp.row_at
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  chunk int := p_limit;
  filters pgtimewarp.row_filter[] := '{}';
  v pgtimewarp.row_at;
  after text := p_after;
  keys int;
  given int := 0;
  bytes bigint := 0;
  part json; -- of the archive; NULL: the store has what is needed
BEGIN
  SELECT pgtimewarp.archived_part(p_archived, p, pgtimewarp.archived_before(p, p_lsn), p_lsn, p_lsn, 'table', coalesce(p_after, ''))
    INTO part
    FROM pgtimewarp.archive_cutoffs AS a JOIN pgtimewarp.relation_periods AS p ON p.relation_id = a.relation_id
   WHERE a.relation_id = p_relation_id AND p_lsn + 1 < a.before_lsn;
  IF p_where <> '{}' THEN
    filters := pgtimewarp.row_filters(
      (SELECT p FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = p_relation_id), p_where, true);
    chunk := greatest(chunk, 1000); -- perhaps only few of the keys match
  END IF;
  LOOP
    keys := 0;
    FOR v IN
      SELECT r.*
        FROM pgtimewarp.rows_at(p_relation_id, p_lsn, p_after => after, p_upto => part -> 'keys' ->> 'upto', p_limit => chunk,
                                p_keys => p_keys, p_part => part) AS r
    LOOP
      keys := keys + 1;
      after := v.pk;
      IF v.op = 'S' AND v.read_lsn > p_through THEN
        v.is_there := NULL; -- the log does not decide it yet
      END IF;
      CONTINUE WHEN v.is_there = false
        OR v.is_there AND filters <> '{}' AND NOT pgtimewarp.row_matches(v.row_data, v.json_nulls, v.incomplete, v.valid_from_lsn, filters);
      RETURN NEXT v;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(v.row_data::text), 0);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN keys < chunk;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.table_rows(int, pg_lsn, pg_lsn, jsonb, text, int, bigint, text[], json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.table_rows(int, pg_lsn, pg_lsn, jsonb, text, int, bigint, text[], json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
