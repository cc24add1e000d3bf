-- The effect of (from, to] on each row of a table: one change per key from its first state to its last, in the order of keys. Rows that
-- are the same at both ends are left out. op is I, U or D; lsn, ts, xid and context are those of the last change. For a U
-- whose earlier row is not known, `before` and `changed` are NULL. Page by page: pass the key of the last row received; otherwise as
-- period_changes(). `by` gives the keys that such a transaction changed, even if other transactions changed them too.
-- {"written": true}: only keys that have versions in (from, to].
-- If only the archive has the beginning, p_archived must have the versions of the keys after p_after_pk (archived_part()); the answer ends with
-- the last key of this part. An interval of several periods is refused then: TW007.
CREATE OR REPLACE FUNCTION pgtimewarp.net_changes(
  p_node_id text, p_schema text, p_table text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_filter jsonb, p_after_pk text, p_limit int, p_max_bytes bigint, p_archived json DEFAULT NULL)
RETURNS SETOF pgtimewarp.history_change
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  chunk int := 2000; -- grows, because each one may read all changes of the interval again
  chunk_bytes bigint;
  ends record;
  place record;
  first record;
  last record;
  filters pgtimewarp.row_filter[];
  first_filters pgtimewarp.row_filter[]; -- of the period of the row before
  changed pgtimewarp.row_filter[];
  first_changed pgtimewarp.row_filter[]; -- likewise
  ops text[] := CASE WHEN p_filter ? 'op' THEN ARRAY(SELECT jsonb_array_elements_text(p_filter -> 'op')) END;
  candidates text; -- the statement that gives a page of keys
  touched text;    -- with `by`: the statement that returns those of the keys $1 that such a transaction changed
  is_emptied boolean;
  has_virtual boolean;
  event pgtimewarp.relation_events;
  result pgtimewarp.history_change;
  keys text[];
  touched_keys text[];
  at_pk text := coalesce(p_after_pk, '');
  c record;
  given int := 0;
  bytes bigint := 0;
  periods int := 0;
  before pg_lsn;
  part json;
  source text; -- of the changes of a period
  upto text;   -- the condition that the part has the key
BEGIN
  PERFORM pgtimewarp.refuse_operations(p_filter, 'net changes', '{I,U,D}');
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  PERFORM pgtimewarp.row_filters((ends.to_at).period, p_filter -> 'where', true);
  PERFORM pgtimewarp.changed_filter((ends.to_at).period, p_filter -> 'changed', true);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d ORDER BY (d.period).relation_id
  LOOP
    before := pgtimewarp.archived_before(place.period, place.lower_lsn);
    IF before IS NOT NULL OR part IS NOT NULL THEN
      IF periods > 0 OR (ends.to_at).period <> place.period THEN
        PERFORM pgtimewarp.archived_part(NULL, place.period, coalesce(before, '0/0'), place.lower_lsn, place.upper_lsn);
      END IF;
      part := pgtimewarp.archived_part(
        p_archived, place.period, before, place.lower_lsn, place.upper_lsn, 'versions', coalesce(p_after_pk, ''));
      upto := ' AND r.pk <= ' || quote_literal(part -> 'keys' ->> 'upto');
      chunk := 1000; -- a part of the archive has no index
    END IF;
    periods := periods + 1;
    source := pgtimewarp.changes_source((place.period).relation_id, part);
    first := coalesce(first, place);
    last := place;
    is_emptied := false;
    FOR event IN
      SELECT e.* FROM pgtimewarp.relation_events AS e
       WHERE e.relation_id = (place.period).relation_id AND e.op = 'T' AND e.lsn > place.lower_lsn AND e.lsn <= place.upper_lsn
         AND pgtimewarp.context_matches(
               (SELECT x.context FROM pgtimewarp.context_at(p_node_id, (place.period).lsn_space, e.lsn, e.seq, e.xid) AS x), p_filter -> 'by')
    LOOP
      is_emptied := true;
      touched := concat_ws(' UNION ALL ', touched, format(
        'SELECT ($1)[b.place] AS pk
           FROM pgtimewarp.rows_before(%1$s, %2$L, %3$L, $1, array_fill(%4$L::pg_lsn, ARRAY[cardinality($1)]),
                                       array_fill(%5$s, ARRAY[cardinality($1)]), p_part => %7$L) AS b
          WHERE b.is_there AND (%6$L::int IS NULL OR b.leaf_id = %6$L::int)', event.relation_id, (place.period).tracked_from_lsn,
        place.through, event.lsn, event.seq, event.leaf_id, part));
    END LOOP;
    touched := concat_ws(' UNION ALL ', touched, format(
      'SELECT r.pk FROM ' || replace(source, '%', '%%') || ' AS r
        WHERE r.relation_id = %s AND r.pk = ANY ($1) AND r.valid_from_lsn > %L AND r.valid_from_lsn <= %L
          AND pgtimewarp.context_matches((SELECT x.context FROM pgtimewarp.context_at(%L, %s, r.valid_from_lsn, r.seq, r.xid) AS x), $2)',
      (place.period).relation_id, place.lower_lsn, place.upper_lsn, p_node_id, (place.period).lsn_space));
    candidates := concat_ws(' UNION ', candidates, format(
      '(SELECT DISTINCT r.pk FROM ' || replace(source, '%', '%%') || ' AS r
         WHERE r.relation_id = %s AND r.pk > $1 AND r.valid_from_lsn > %L AND r.valid_from_lsn <= %L%s%s
         ORDER BY r.pk LIMIT $2)', (place.period).relation_id, place.lower_lsn, place.upper_lsn, upto,
      CASE WHEN p_filter ? 'by' THEN format(
        ' AND pgtimewarp.context_matches((SELECT x.context FROM pgtimewarp.context_at(%L, %s, r.valid_from_lsn, r.seq, r.xid) AS x), $3)',
        p_node_id, (place.period).lsn_space) END),
      -- a TRUNCATE, or a gap between two periods, may have changed every row
      CASE WHEN coalesce(NOT p_filter ? 'written', true) AND (is_emptied OR coalesce(NOT p_filter ? 'by', true)
                AND (place.starts_inside OR (ends.to_at).period <> place.period)) THEN format(
        '(SELECT DISTINCT r.pk FROM ' || replace(source, '%', '%%') || ' AS r
           WHERE r.relation_id = %s AND r.pk > $1 AND r.valid_from_lsn <= %L%s ORDER BY r.pk LIMIT $2)',
        (place.period).relation_id, place.upper_lsn, upto) END);
  END LOOP;
  IF candidates IS NULL THEN
    RETURN;
  END IF;
  candidates := 'SELECT array_agg(k.pk ORDER BY k.pk) FROM (SELECT u.pk FROM (' || candidates || ') AS u ORDER BY u.pk LIMIT $2) AS k';
  result.relation_id := (last.period).relation_id;
  has_virtual := EXISTS (SELECT FROM pgtimewarp.virtual_columns AS w WHERE w.relation_id = (last.period).relation_id);
  filters := pgtimewarp.row_filters(last.period, p_filter -> 'where', false);
  first_filters := pgtimewarp.row_filters(first.period, p_filter -> 'where', false);
  changed := pgtimewarp.changed_filter(last.period, p_filter -> 'changed', false);
  first_changed := pgtimewarp.changed_filter(first.period, p_filter -> 'changed', false);
  LOOP
    EXECUTE candidates INTO keys USING at_pk, chunk, p_filter -> 'by';
    EXIT WHEN keys IS NULL;
    chunk_bytes := bytes;
    IF p_filter ? 'by' THEN
      EXECUTE 'SELECT array_agg(DISTINCT t.pk) FROM (' || touched || ') AS t' INTO touched_keys USING keys, p_filter -> 'by';
    END IF;
    FOR c IN
      SELECT keys[b.place] AS pk, b.is_there AS was_there, b.row_data AS before, b.json_nulls AS before_nulls, b.incomplete AS before_incomplete,
             b.nulls_assumed AS before_assumed, b.lsn AS before_lsn,
             b.seq AS before_seq, a.*, t.lsn AS cut_lsn, t.seq AS cut_seq, t.ts AS cut_ts, t.xid AS cut_xid, x.context
        FROM pgtimewarp.rows_before((first.period).relation_id, (first.period).tracked_from_lsn, first.through, keys,
               array_fill(first.lower_lsn, ARRAY[cardinality(keys)]), array_fill(2147483647, ARRAY[cardinality(keys)]),
               (first.period).baseline_state = 'done'
                 AND first.lower_lsn >= coalesce((first.period).unseen_unknown_before_lsn, (first.period).tracked_from_lsn), part) AS b
        JOIN pgtimewarp.rows_before((last.period).relation_id, (last.period).tracked_from_lsn, last.through, keys,
               array_fill(last.upper_lsn, ARRAY[cardinality(keys)]), array_fill(2147483647, ARRAY[cardinality(keys)]),
               (last.period).baseline_state = 'done'
                 AND last.upper_lsn >= coalesce((last.period).unseen_unknown_before_lsn, (last.period).tracked_from_lsn), part) AS a
          ON a.place = b.place
        LEFT JOIN LATERAL (
             SELECT e.lsn, e.seq, e.ts, e.xid
               FROM pgtimewarp.truncates_after((last.period).relation_id, a.lsn, a.seq, a.op, a.leaf_id) AS e
              WHERE a.op <> 'D' AND a.is_there IS FALSE AND e.lsn <= last.upper_lsn
              ORDER BY e.lsn, e.seq LIMIT 1) AS t ON true
        LEFT JOIN LATERAL pgtimewarp.context_at(
             p_node_id, (last.period).lsn_space, coalesce(t.lsn, a.lsn, (last.period).tracked_from_lsn), coalesce(t.seq, a.seq, 0),
             CASE WHEN t.lsn IS NOT NULL THEN t.xid ELSE a.xid END) AS x ON true
       ORDER BY b.place
    LOOP
      CONTINUE WHEN p_filter ? 'by' AND NOT coalesce(c.pk = ANY (touched_keys), false);
      CONTINUE WHEN c.is_there IS NULL OR c.was_there IS FALSE AND NOT c.is_there;
      result.op := CASE WHEN NOT c.is_there THEN 'D' WHEN c.was_there IS FALSE THEN 'I' ELSE 'U' END;
      CONTINUE WHEN NOT result.op = ANY (ops) OR changed IS NOT NULL AND (result.op <> 'U' OR c.was_there IS NULL);
      result.changed := CASE WHEN result.op = 'U' AND c.was_there
        THEN pgtimewarp.changed_columns(c.before, c.before_nulls, c.row_data, c.json_nulls) END;
      -- two versions may differ in a column whose value is not known
      CONTINUE WHEN result.changed::text = '{}'
        AND (c.before_lsn = c.lsn AND c.before_seq = c.seq OR c.before_incomplete IS NULL AND c.incomplete IS NULL);
      CONTINUE WHEN changed IS NOT NULL AND NOT pgtimewarp.may_have_changed(
        result.changed, first_changed, c.before, c.before_incomplete, c.before_lsn, changed, c.row_data, c.incomplete, c.lsn);
      CONTINUE WHEN filters <> '{}'
        AND NOT (c.is_there AND pgtimewarp.row_matches(c.row_data, c.json_nulls, c.incomplete, c.lsn, filters))
        AND NOT (c.was_there IS TRUE AND pgtimewarp.row_matches(c.before, c.before_nulls, c.before_incomplete, c.before_lsn, first_filters));
      result.pk := c.pk;
      result.before := CASE WHEN c.was_there THEN c.before END;
      result.after := CASE WHEN c.is_there THEN c.row_data END;
      result.lsn := coalesce(c.cut_lsn, c.lsn, (last.period).tracked_from_lsn);
      result.seq := coalesce(c.cut_seq, c.seq, 0);
      result.ts := CASE WHEN c.cut_lsn IS NOT NULL THEN c.cut_ts ELSE coalesce(c.ts, (last.period).tracked_from_ts) END;
      result.xid := CASE WHEN c.cut_lsn IS NOT NULL THEN c.cut_xid ELSE c.xid END;
      result.context := c.context;
      result.incomplete := CASE WHEN has_virtual OR c.before_incomplete IS NOT NULL OR c.incomplete IS NOT NULL THEN
        pgtimewarp.incomplete_of_change(
          result.relation_id, result.ts, CASE WHEN c.was_there THEN c.before_incomplete END, CASE WHEN c.is_there THEN c.incomplete END) END;
      result.assumes := CASE WHEN c.was_there AND c.before_assumed OR c.is_there AND c.nulls_assumed THEN 'no-nan' END;
      RETURN NEXT result;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(result.context::text), 0) + coalesce(octet_length(result.before::text), 0) + coalesce(octet_length(result.after::text), 0);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN cardinality(keys) < chunk;
    at_pk := keys[cardinality(keys)];
    IF coalesce(NOT p_filter ? 'by', true) AND bytes + 2 * (bytes - chunk_bytes) <= p_max_bytes THEN -- `by` compares every key with touched_keys
      chunk := least(chunk * 2, CASE WHEN part IS NULL THEN 65536 ELSE 1000 END);
    END IF;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.net_changes(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb, text, int, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.net_changes(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb, text, int, bigint, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
