-- The changes of all keys of one period in (p_lower, p_upper], in commit order, with the row before and after. A TRUNCATE is one
-- T for each row that it removed, in the order of keys. Rows of the baseline are no changes. Rows that a repair stored are changes
-- (S, or a D without xid): the effect of the gap.
-- Page by page: p_after is the last change received (lsn, seq, pk). A page ends after p_limit changes, or after the row with which its
-- rows and contexts exceed p_max_bytes, so it has at least one change. A page that ends for neither reason is the last.
--
-- p_filter: {"where": {column: value}, "changed": [column], "by": {key: value}, "op": [op]}, all of them optional. `where` matches the
-- row before or after; `changed` an update that changed one of the columns, or may have changed it because its value is not known.
-- {"bare": true} leaves the column `changed` of the answer empty, which costs as much as all the rest, and does not go with a filter on
-- `changed`. {"chunk": n}: the caller knows that so many rows fit into the page. {"rewritten": [relation id]}: in these tables only those
-- rows of a TRUNCATE whose keys have versions at or after it. p_part: what the archive has of this interval (archived_part()).
-- The history is read in slices of commits, small ones first: the cost of a page depends on what lies before its end, not on the interval.
CREATE OR REPLACE FUNCTION pgtimewarp.period_changes(
  p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filter jsonb,
  p_after pgtimewarp.history_change, p_limit int, p_max_bytes bigint, p_part json DEFAULT NULL)
RETURNS SETOF pgtimewarp.history_change
LANGUAGE plpgsql STABLE ROWS 1000 AS $$
#variable_conflict use_column
DECLARE
  -- grows, because each one reads all changes of a large commit again
  chunk int := least(greatest(500, (p_filter ->> 'chunk')::int), greatest(p_limit, 50), CASE WHEN p_part IS NULL THEN 65536 ELSE 1000 END);
  -- a part of the archive has no index
  largest CONSTANT int := CASE WHEN p_part IS NULL THEN 65536 ELSE 1000 END;
  chunk_bytes bigint;
  relation int := p_period.relation_id;
  filters pgtimewarp.row_filter[] := pgtimewarp.row_filters(p_period, p_filter -> 'where', false);
  changed pgtimewarp.row_filter[] := pgtimewarp.changed_filter(p_period, p_filter -> 'changed', false);
  said jsonb := p_filter -> 'by';
  -- leaves out the changes of most other transactions before the rows before these changes are looked up
  by_hash text := CASE WHEN said IS NOT NULL THEN '
    AND EXISTS (SELECT FROM pgtimewarp.transaction_contexts AS s
                 WHERE s.node_id = $9 AND s.lsn_space = $10 AND s.lsn = r.valid_from_lsn
                   AND (s.value_hashes @> $11 OR s.value_hashes @> ''{0}''))' END;
  has_virtual boolean := EXISTS (SELECT FROM pgtimewarp.virtual_columns AS w WHERE w.relation_id = relation);
  is_bare boolean := coalesce((p_filter -> 'bare')::boolean, false);
  is_rewritten boolean := coalesce(p_filter -> 'rewritten' @> to_jsonb(relation), false);
  ops text[] := CASE WHEN p_filter ? 'op' THEN ARRAY(SELECT jsonb_array_elements_text(p_filter -> 'op')) END;
  -- everything up to here is done; if at_pk is NULL, including all keys of the place
  at_lsn pg_lsn := coalesce(p_after.lsn, p_lower);
  at_seq int := coalesce(p_after.seq, 2147483647);
  at_pk text := p_after.pk;
  slice int := chunk; -- commits
  slice_lsn pg_lsn;
  event pgtimewarp.relation_events;
  end_lsn pg_lsn;
  end_seq int;
  c record;
  result pgtimewarp.history_change;
  found_rows int;
  given int := 0;
  bytes bigint := 0;
BEGIN
  result.relation_id := relation;
  LOOP
    SELECT e.* INTO event FROM pgtimewarp.relation_events AS e
     WHERE e.relation_id = relation AND e.op = 'T' AND e.lsn <= p_upper AND e.lsn > p_lower
       AND ((e.lsn, e.seq) > (at_lsn, at_seq) OR (e.lsn, e.seq) = (at_lsn, at_seq) AND at_pk IS NOT NULL)
     ORDER BY e.lsn, e.seq LIMIT 1;
    end_lsn := coalesce(event.lsn, p_upper);
    end_seq := coalesce(event.seq, 2147483647);

    WHILE (at_lsn, at_seq) < (end_lsn, end_seq) LOOP
      slice_lsn := coalesce((
        SELECT m.lsn FROM pgtimewarp.lsn_time_map AS m
         WHERE m.node_id = p_period.node_id AND m.lsn_space = p_period.lsn_space AND m.lsn > at_lsn AND m.lsn < end_lsn
         ORDER BY m.lsn OFFSET slice LIMIT 1), end_lsn);
      found_rows := 0;
      chunk_bytes := bytes;
      FOR c IN EXECUTE format(
        'WITH page AS MATERIALIZED (
           SELECT r.*, row_number() OVER (ORDER BY r.valid_from_lsn, r.seq, r.pk) AS place
             FROM (SELECT r.* FROM %4$s AS r
                    WHERE r.relation_id = %1$s AND r.valid_from_lsn >= $1 AND r.valid_from_lsn <= $4
                      AND ((r.valid_from_lsn, r.seq) > ($1, $2) OR (r.valid_from_lsn, r.seq) = ($1, $2) AND r.pk > $3)
                      AND (r.valid_from_lsn, r.seq) < ($5, $6) AND (r.op <> ''S'' OR r.valid_from_lsn > $7)%3$s
                    ORDER BY r.valid_from_lsn, r.seq, r.pk LIMIT %2$s) AS r)
         SELECT p.*, x.context, b.is_there, b.row_data AS before, b.json_nulls AS before_nulls, b.incomplete AS before_incomplete,
                b.nulls_assumed AS before_assumed, b.lsn AS before_lsn
           FROM page AS p
           LEFT JOIN pgtimewarp.rows_before(%1$s, $7, $8, (SELECT array_agg(k.pk ORDER BY k.place) FROM page AS k),
                  (SELECT array_agg(k.valid_from_lsn ORDER BY k.place) FROM page AS k),
                  (SELECT array_agg(k.seq ORDER BY k.place) FROM page AS k), p_part => $12) AS b ON b.place = p.place
           LEFT JOIN LATERAL pgtimewarp.context_at($9, $10, p.valid_from_lsn, p.seq, p.xid) AS x ON true
          ORDER BY p.place', relation, chunk, by_hash, pgtimewarp.changes_source(relation, p_part))
        USING at_lsn, at_seq, at_pk, slice_lsn, end_lsn, end_seq, p_period.tracked_from_lsn, p_through, p_period.node_id,
              p_period.lsn_space, pgtimewarp.context_hashes(said), p_part
      LOOP
        found_rows := found_rows + 1;
        at_lsn := c.valid_from_lsn; at_seq := c.seq; at_pk := c.pk;
        CONTINUE WHEN NOT (c.op::text = ANY (ops)) OR c.is_there IS NOT TRUE AND changed IS NOT NULL;
        CONTINUE WHEN filters <> '{}' AND NOT pgtimewarp.row_matches(c.row_data, c.json_nulls, c.incomplete, c.valid_from_lsn, filters)
          AND NOT (c.is_there IS TRUE AND pgtimewarp.row_matches(c.before, c.before_nulls, c.before_incomplete, c.before_lsn, filters));
        result.changed := CASE WHEN c.op IN ('U', 'S') AND c.is_there AND NOT is_bare
          THEN pgtimewarp.changed_columns(c.before, c.before_nulls, c.row_data, c.json_nulls) END;
        CONTINUE WHEN changed IS NOT NULL AND result.changed IS NULL;
        CONTINUE WHEN changed IS NOT NULL AND NOT pgtimewarp.may_have_changed(
          result.changed, changed, c.before, c.before_incomplete, c.before_lsn, changed, c.row_data, c.incomplete, c.valid_from_lsn);
        CONTINUE WHEN said IS NOT NULL AND NOT pgtimewarp.context_matches(c.context, said);
        result.context := c.context;
        result.lsn := c.valid_from_lsn; result.seq := c.seq; result.pk := c.pk; result.op := c.op; result.ts := c.valid_from_ts;
        result.xid := c.xid; result.after := c.row_data; result.before := CASE WHEN c.is_there THEN c.before END;
        result.incomplete := CASE WHEN has_virtual OR c.before_incomplete IS NOT NULL OR c.incomplete IS NOT NULL THEN
          pgtimewarp.incomplete_of_change(
            relation, c.valid_from_ts, CASE WHEN c.is_there THEN c.before_incomplete END, c.incomplete) END;
        result.assumes := CASE WHEN c.nulls_assumed OR c.is_there AND c.before_assumed THEN 'no-nan' END;
        RETURN NEXT result;
        given := given + 1;
        bytes := bytes + coalesce(octet_length(result.context::text), 0) + coalesce(octet_length(result.before::text), 0) + coalesce(octet_length(result.after::text), 0);
        IF given >= p_limit OR bytes > p_max_bytes THEN
          RETURN;
        END IF;
      END LOOP;
      IF found_rows < chunk THEN
        slice := least(slice * 2, 1000000);
        IF slice_lsn >= end_lsn THEN
          at_lsn := end_lsn; at_seq := end_seq; at_pk := '';
        ELSE
          at_lsn := slice_lsn; at_seq := 2147483647; at_pk := NULL;
        END IF;
      ELSIF bytes + 2 * (bytes - chunk_bytes) <= p_max_bytes THEN
        chunk := least(chunk * 2, largest);
      END IF;
    END LOOP;
    EXIT WHEN event.lsn IS NULL;

    -- the rows that the TRUNCATE removed
    at_pk := coalesce(at_pk, '');
    result.context := (SELECT x.context FROM pgtimewarp.context_at(p_period.node_id, p_period.lsn_space, event.lsn, event.seq, event.xid) AS x);
    IF NOT 'T' = ANY (ops) OR changed IS NOT NULL OR NOT pgtimewarp.context_matches(result.context, p_filter -> 'by') THEN
      found_rows := 0;
    ELSE
      found_rows := chunk;
    END IF;
    WHILE found_rows = chunk LOOP
      found_rows := 0;
      FOR c IN SELECT t.* FROM pgtimewarp.truncated_rows(
                 p_period, event, p_through, at_pk, chunk, is_rewritten, CASE WHEN event.lsn < (p_part ->> 'before')::pg_lsn THEN p_part END) AS t LOOP
        found_rows := found_rows + 1;
        at_pk := c.pk;
        CONTINUE WHEN c.is_there IS NOT TRUE OR filters <> '{}' AND NOT pgtimewarp.row_matches(c.row_data, c.json_nulls, c.incomplete, c.written_lsn, filters);
        result.lsn := event.lsn; result.seq := event.seq; result.pk := c.pk; result.op := 'T'; result.ts := event.ts;
        result.xid := event.xid; result.before := c.row_data; result.after := NULL; result.changed := NULL;
        result.incomplete := CASE WHEN has_virtual OR c.incomplete IS NOT NULL THEN
          pgtimewarp.incomplete_of_change(relation, event.ts, c.incomplete, NULL) END;
        result.assumes := CASE WHEN c.nulls_assumed THEN 'no-nan' END;
        RETURN NEXT result;
        given := given + 1;
        bytes := bytes + coalesce(octet_length(result.context::text), 0) + coalesce(octet_length(result.before::text), 0);
        IF given >= p_limit OR bytes > p_max_bytes THEN
          RETURN;
        END IF;
      END LOOP;
    END LOOP;
    at_lsn := event.lsn; at_seq := event.seq; at_pk := NULL;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.period_changes(pgtimewarp.relation_periods, pg_lsn, pg_lsn, pg_lsn, jsonb, pgtimewarp.history_change, int, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.period_changes(pgtimewarp.relation_periods, pg_lsn, pg_lsn, pg_lsn, jsonb, pgtimewarp.history_change, int, bigint, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
