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
-- Of most keys the last version alone shows the row; rows_before() decides about the others. The relation is a constant in the text of
-- the statements (docs/decisions/0024-own-locks.md).
CREATE OR REPLACE FUNCTION pgtimewarp.past_rows(p_at pgtimewarp.history_position, p_question jsonb, p_live boolean)
RETURNS TABLE (pk text, row_data json, json_nulls text[], is_computed boolean, unread bigint, lacking bigint)
LANGUAGE plpgsql STABLE ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off AS $$
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
  has_gap boolean := EXISTS (
    SELECT FROM pgtimewarp.history_gaps g
     WHERE g.node_id = period.node_id AND (g.relation_id IS NULL OR g.relation_id = relation)
       AND g.lsn_space = period.lsn_space AND g.from_lsn >= p_at.lsn);
  cut_lsn pg_lsn := (SELECT max(e.lsn) FROM pgtimewarp.relation_events e WHERE e.relation_id = relation AND e.op = 'T');
  -- the positions between which all rows with the same members get their names in the same way
  renamed pg_lsn[] := ARRAY(
    SELECT (n.was ->> p.position)::pg_lsn
      FROM jsonb_array_elements(period.columns) AS c (facts)
     CROSS JOIN LATERAL (SELECT c.facts AS was UNION ALL SELECT jsonb_array_elements(coalesce(c.facts -> 'former_names', '[]'))) AS n
     CROSS JOIN unnest(ARRAY['since_lsn', 'until_lsn']) AS p (position)
     WHERE n.was ? p.position);
  namings pgtimewarp.row_naming[] := '{}';
  naming pgtimewarp.row_naming;
  members text[];
  this_kind text;
  doubtful text[] := '{}';
  b record;
  missing text[];
  unread_rows bigint := 0;
  lacking_rows bigint := 0;
BEGIN
  IF has_gap THEN
    computed := '{}'; -- the expression may have changed
  END IF;
  FOR pass IN 1 .. 2 LOOP
    FOR b IN EXECUTE format(CASE pass WHEN 1 THEN
      'SELECT q.*, q.is_there IS NOT NULL AND CASE
                WHEN q.is_there THEN q.lsn > $9 AND q.incomplete IS NULL AND $10 ELSE $11 END AS is_plain
         FROM (
       SELECT k.pk, CASE WHEN (v.valid_from_lsn > $2) IS FALSE OR v.pk IS NULL AND $2 IS NOT NULL THEN NULL -- a TRUNCATE may have removed it
                         WHEN v.op = ''D'' THEN false
                         WHEN v.op <> ''S'' THEN true
                         -- read before the instant, or no change came before it was read
                         WHEN v.read_lsn <= $1 OR v.read_lsn <= $3 AND k.next_lsn > v.read_lsn THEN true
                         WHEN v.pk IS NULL AND k.next_op = ''I'' AND NOT $4 THEN false END AS is_there,
              v.row_data, v.json_nulls, v.incomplete, v.valid_from_lsn AS lsn, v.valid_from_ts AS ts,
              coalesce(v.read_lsn, v.valid_from_lsn) AS read_upto
         FROM (' || CASE WHEN p_live THEN
           'SELECT DISTINCT ON (c.pk) c.pk, c.valid_from_lsn AS next_lsn, c.op AS next_op FROM pgtimewarp.row_changes AS c
             WHERE c.relation_id = %1$s AND c.valid_from_lsn > $1 ORDER BY c.pk, c.valid_from_lsn, c.seq'
         ELSE
           'SELECT DISTINCT c.pk, NULL::pg_lsn AS next_lsn, NULL::"char" AS next_op FROM pgtimewarp.row_changes AS c
             WHERE c.relation_id = %1$s' END || ') AS k
         LEFT JOIN LATERAL (
              SELECT c.* FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = %1$s AND c.pk = k.pk AND c.valid_from_lsn <= $1
               ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1) AS v ON true OFFSET 0) AS q'
    ELSE
      'SELECT n.pks[r.place] AS pk, r.is_there, r.row_data, r.json_nulls, r.incomplete, r.lsn, r.ts,
              CASE WHEN r.op <> ''S'' THEN r.lsn END AS read_upto, false AS is_plain
         FROM (SELECT array_agg(u.pk) AS pks, count(*)::int AS many
                 FROM (SELECT u.pk, (u.place - 1) / 10000 AS chunk FROM unnest($5) WITH ORDINALITY AS u (pk, place)) AS u
                GROUP BY u.chunk) AS n
        CROSS JOIN LATERAL pgtimewarp.rows_before(
                %1$s, $6, $3, n.pks, array_fill($1, ARRAY[n.many]), array_fill($7, ARRAY[n.many]), $8) AS r' END, relation)
      USING p_at.lsn, cut_lsn, p_at.through, has_gap, doubtful, period.tracked_from_lsn, last_commit, absent_unless_seen,
            names.settled_lsn, names.added = '{}', p_live
    LOOP
      IF b.is_plain THEN -- most rows: nothing is left to do
        pk := b.pk; row_data := b.row_data; json_nulls := b.json_nulls; is_computed := false;
        RETURN NEXT;
        CONTINUE;
      ELSIF pass = 1 AND b.is_there IS NULL THEN
        doubtful := doubtful || b.pk;
        CONTINUE;
      END IF;
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
          json_nulls := NULL;
          IF b.read_upto IS NULL OR position(chr(92) || 'u' IN b.row_data::text) > 0 THEN
            SELECT n.row_data, n.incomplete INTO row_data, missing
              FROM pgtimewarp.past_named(period, relid, columns, b.pk, b.row_data, b.incomplete, b.lsn, b.ts) AS n;
          ELSE
            members := ARRAY(SELECT json_object_keys(b.row_data));
            this_kind := format('%s %s %s %s', members, b.incomplete,
              (SELECT count(*) FROM unnest(renamed) AS r (lsn) WHERE r.lsn < b.lsn),
              (SELECT count(*) FROM unnest(renamed) AS r (lsn) WHERE r.lsn < b.read_upto));
            IF naming.kind IS DISTINCT FROM this_kind THEN
              SELECT n.* INTO naming FROM unnest(namings) AS n WHERE n.kind = this_kind;
              IF NOT FOUND THEN
                naming := pgtimewarp.row_naming(this_kind, period, relid, columns, b.pk, members, b.incomplete, b.lsn, b.ts);
                namings := namings || naming;
              END IF;
            END IF;
            missing := naming.incomplete;
            row_data := (
              SELECT '{' || coalesce(string_agg(n.name || ':' || e.value::text, ',' ORDER BY n.n), '') || '}'
                FROM unnest(naming.names, naming.places) WITH ORDINALITY AS n (name, place, n)
                JOIN json_each(b.row_data) WITH ORDINALITY AS e (key, value, place) ON e.place = n.place);
          END IF;
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
            row_data := NULL; json_nulls := NULL;
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
