-- The answer to the last recorded question about a whole table: {node, schema, table, relid, ts | lsn, columns, computed, source, skip};
-- see past_rows() and past_not_live(). The first row is the frame: {live, why, node, slot, lsn, excluded, virtual, added, gone, keys}. The last
-- row counts what was left out. If the frame says live, the rows are those of keys that changed since, and a key without a row has
-- row_data NULL; otherwise they are all, and without pk, because the history may have another key. {facts: true}: only the frame.
--
-- json_nulls is an array, if only an empty one, in every row that the source must compare with the typed row that it makes of it: if a
-- column may have had another type at the instant than the source has now ({types: {"number": "OID name"}}), and if {careful: true} asks so.
CREATE OR REPLACE FUNCTION pgtimewarp.answer_past()
RETURNS TABLE (question pgtimewarp.question[], frame json, pk json, row_data json, json_nulls text[], is_computed boolean)
LANGUAGE plpgsql STABLE ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  schema_name text := q ->> 'schema';
  table_name text := q ->> 'table';
  at pgtimewarp.history_position;
  period pgtimewarp.relation_periods;
  why text;
  hidden text;
  careful boolean;
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(q ->> 'node', schema_name, table_name, (q ->> 'relid')::oid);
  at := pgtimewarp.position_at(q ->> 'node', schema_name, table_name, (q ->> 'ts')::timestamptz, (q ->> 'lsn')::pg_lsn);
  period := at.period;
  IF at.reason IS NOT NULL THEN
    PERFORM pgtimewarp.raise_rows_unknown(at.reason, schema_name, table_name, 'the rows');
  ELSIF NOT at.final THEN
    -- only final answers keep their position for ever
    RAISE EXCEPTION 'the rows as of then are not final yet: the store is complete up to % (%)',
        coalesce(at.horizon_ts::text, 'no instant'), coalesce(at.horizon_lsn::text, 'no position')
      USING ERRCODE = 'TW017', HINT = 'Ask again after the next run, or about an instant up to pgtimewarp_horizon().';
  END IF;
  SELECT string_agg(quote_ident(w.value), ', ') INTO hidden
    FROM jsonb_each_text(q -> 'columns') AS w WHERE w.value = ANY (period.excluded_columns);
  IF hidden IS NOT NULL AND NOT q ? 'facts' THEN
    RAISE EXCEPTION 'the history of %.% does not hold the columns %', quote_ident(schema_name), quote_ident(table_name), hidden
      USING ERRCODE = 'TW019', HINT = 'Renew the view with `pgtimewarp extension views`.';
  END IF;

  why := pgtimewarp.past_not_live(at, q);
  question := ARRAY[asked];
  frame := json_build_object(
    'live', why IS NULL, 'why', why, 'node', period.node_id, 'slot', (SELECT n.slot_name FROM pgtimewarp.nodes n WHERE n.node_id = period.node_id),
    'lsn', at.lsn, 'keys', period.pk_columns, 'excluded', period.excluded_columns,
    'virtual', coalesce(pgtimewarp.incomplete_at(period.relation_id, NULL, at.asked_lsn, at.asked_ts), '{}'),
    'added', ARRAY(
      SELECT c.facts ->> 'name' FROM jsonb_array_elements(period.columns) AS c (facts)
       WHERE (c.facts ->> 'since_lsn')::pg_lsn > at.lsn AND NOT c.facts ? 'former_names'
         AND NOT c.facts ->> 'name' = ANY (period.excluded_columns) ORDER BY 1),
    'gone', ARRAY(
      SELECT c.facts ->> 'name'
        FROM pgtimewarp.tracked_relations AS t, jsonb_array_elements(coalesce(t.catalog_facts -> 'formerColumns', '[]')) AS c (facts)
       WHERE t.relation_id = period.relation_id AND NOT EXISTS (
               SELECT FROM jsonb_array_elements(period.columns) AS p (facts) WHERE p.facts -> 'attnum' = c.facts -> 'attnum')
       ORDER BY 1));
  RETURN NEXT;
  IF q ? 'facts' THEN
    RETURN;
  END IF;
  IF why IS NOT NULL AND (period.baseline_state <> 'done' OR at.lsn < period.unseen_unknown_before_lsn) THEN
    -- without the live rows their number is not known
    PERFORM pgtimewarp.raise_rows_unknown(
      CASE WHEN period.baseline_state = 'pending' AND at.is_open THEN 'baseline_pending' ELSE 'before_tracking' END,
      schema_name, table_name, 'not all rows are in the history, so those');
  END IF;
  frame := NULL;
  careful := coalesce((q ->> 'careful')::boolean, false) OR EXISTS (
    SELECT FROM jsonb_each_text(q -> 'types') AS w
      JOIN jsonb_array_elements(period.columns) AS c (facts) ON c.facts ->> 'attnum' = w.key
     WHERE (c.facts ->> 'type_oid') || ' ' || (c.facts ->> 'type_name') <> w.value
        OR (c.facts ->> 'typed_since_lsn')::pg_lsn >= at.lsn);
  RETURN QUERY
    SELECT question, CASE WHEN r.pk IS NULL THEN json_build_object('unread', r.unread, 'lacking', r.lacking) END,
           CASE WHEN why IS NULL THEN r.pk::json END, r.row_data,
           CASE WHEN careful THEN coalesce(r.json_nulls, '{}') ELSE r.json_nulls END, r.is_computed
      FROM pgtimewarp.past_rows(at, q, why IS NULL) AS r;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.answer_past() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.answer_past()
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
