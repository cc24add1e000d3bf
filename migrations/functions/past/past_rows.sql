-- The rows of a table as of a position (position_at()): with p_live, for all keys that changed after it; otherwise for all keys
-- of the history. With p_live, a key whose row did not exist is returned without row_data; otherwise it is left out.
--
-- The result is complete, or an error: TW010 and TW011 (a row is not known), TW015 (a value is not known). With p_question.skip
-- such rows are left out, and the last row counts them: unread, lacking.
--
--   row_data     under the present names of the columns, p_question.columns: {"number": "name"} of the table with OID p_question.relid
--   json_nulls   columns that hold the JSON value null. Not known of rows whose columns were renamed since
--   is_computed  stored generated columns (p_question.computed) are not in the row. They can be computed, because the table has had no
--                silent change since
--
-- The relation is a constant in the text of the statements (docs/decisions/0024-own-locks.md).
CREATE OR REPLACE FUNCTION pgtimewarp.past_rows(p_at pgtimewarp.history_position, p_question jsonb, p_live boolean)
RETURNS TABLE (pk text, row_data json, json_nulls text[], is_computed boolean, unread bigint, lacking bigint)
LANGUAGE plpgsql STABLE ROWS 10000
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  period pgtimewarp.relation_periods := p_at.period;
  relation int := period.relation_id;
  columns jsonb := p_question -> 'columns';
  relid oid := p_question ->> 'relid';
  skip boolean := coalesce((p_question ->> 'skip')::boolean, false);
  wanted text[] := ARRAY(SELECT w.value FROM jsonb_each_text(columns) AS w);
  computed text[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(p_question -> 'computed', '[]')));
  names record := pgtimewarp.past_names(period, relid, columns);
  absent_unless_seen boolean := period.baseline_state = 'done'
    AND p_at.lsn >= coalesce(period.unseen_unknown_before_lsn, period.tracked_from_lsn);
  last_commit int := 2147483647; -- after every change of the commit at the position
  pks text[];
  b record;
  missing text[];
  unread_rows bigint := 0;
  lacking_rows bigint := 0;
BEGIN
  IF EXISTS (SELECT FROM pgtimewarp.history_gaps g
              WHERE g.node_id = period.node_id AND (g.relation_id IS NULL OR g.relation_id = relation)
                AND g.lsn_space = period.lsn_space AND g.from_lsn >= p_at.lsn) THEN
    computed := '{}'; -- the expression may have changed
  END IF;
  FOR pks IN EXECUTE format(
    'SELECT array_agg(n.pk) FROM (
       SELECT k.pk, (row_number() OVER () - 1) / 10000 AS chunk
         FROM (SELECT DISTINCT c.pk FROM pgtimewarp.row_changes AS c WHERE c.relation_id = %s%s) AS k) AS n
      GROUP BY n.chunk', relation, CASE WHEN p_live THEN ' AND c.valid_from_lsn > $1' END)
    USING p_at.lsn
  LOOP
    FOR b IN
      SELECT pks[r.place] AS pk, r.is_there, r.row_data, r.json_nulls, r.incomplete, r.lsn, r.ts
        FROM pgtimewarp.rows_before(
               relation, period.tracked_from_lsn, p_at.through, pks, array_fill(p_at.lsn, ARRAY[cardinality(pks)]),
               array_fill(last_commit, ARRAY[cardinality(pks)]), absent_unless_seen) AS r
    LOOP
      pk := b.pk; row_data := NULL; json_nulls := NULL; is_computed := false;
      IF b.is_there IS NULL THEN
        IF NOT skip THEN
          PERFORM pgtimewarp.raise_rows_unknown(
            coalesce((pgtimewarp.version_at(period, b.pk, p_at.lsn, last_commit, p_at.through, p_at.is_open)).reason, 'before_tracking'),
            period.schema_name, period.table_name, 'rows');
        END IF;
        unread_rows := unread_rows + 1;
        CONTINUE WHEN NOT p_live;
      ELSIF b.is_there THEN
        row_data := b.row_data; json_nulls := b.json_nulls; missing := b.incomplete;
        IF (b.lsn > names.settled_lsn) IS NOT TRUE OR names.added <> '{}' AND EXISTS (
             SELECT FROM unnest(names.added, names.added_since) AS a (name, since)
              WHERE b.lsn <= a.since AND pgtimewarp.json_has(b.row_data, a.name)) THEN
          SELECT n.row_data, n.incomplete, NULL INTO row_data, missing, json_nulls
            FROM pgtimewarp.past_named(period, relid, columns, b.pk, b.row_data, b.incomplete, b.lsn, b.ts) AS n;
        END IF;
        IF missing <> '{}' THEN
          is_computed := missing && computed;
          missing := ARRAY(SELECT unnest(missing) INTERSECT SELECT unnest(wanted) EXCEPT SELECT unnest(computed));
          IF missing <> '{}' THEN
            IF NOT skip THEN
              RAISE EXCEPTION 'values in rows of %.% are not known: %', quote_ident(period.schema_name), quote_ident(period.table_name),
                  array_to_string(missing, ', ')
                USING ERRCODE = 'TW015', HINT = 'SET pgtimewarp.unknown = skip leaves such rows out and counts them.';
            END IF;
            lacking_rows := lacking_rows + 1;
            row_data := NULL;
            CONTINUE WHEN NOT p_live;
          END IF;
        END IF;
      ELSIF NOT p_live THEN
        CONTINUE;
      END IF;
      RETURN NEXT;
    END LOOP;
  END LOOP;
  pk := NULL; row_data := NULL; json_nulls := NULL; is_computed := NULL; unread := unread_rows; lacking := lacking_rows;
  RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.past_rows(pgtimewarp.history_position, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.past_rows(pgtimewarp.history_position, jsonb, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
