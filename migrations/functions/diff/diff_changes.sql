-- The changes of one key in (from, to], in order, over all periods. An update of the key is a D under the old key and an I under
-- the new one. Beside I, U and D there are:
--   S              a row read from the table: the baseline of a period that begins inside the interval, or a finding of a repair
--   D without xid  a repair found that the row is gone
--   T              a TRUNCATE removed the row
-- `changed` is set for U, and for S of a repair if the previous row is known; else it is NULL.
-- Page by page: pass (relation_id, lsn, seq) of the last row received. Runs only add rows after it. p_archived: the changes that are in
-- the archive, see archived_part().
CREATE OR REPLACE FUNCTION pgtimewarp.diff_changes(
  p_node_id text, p_schema text, p_table text, p_pk jsonb,
  p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_after_relation_id int, p_after_lsn pg_lsn, p_after_seq int, p_limit int, p_archived json DEFAULT NULL)
RETURNS TABLE (op text, lsn pg_lsn, seq int, ts timestamptz, xid bigint, row_data json, changed json, context json,
               relation_id int, incomplete text[], assumes text)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  ends record;
  place record;
  period pgtimewarp.relation_periods;
  key text;
  before pgtimewarp.key_state;
  resumed boolean;
  start_lsn pg_lsn;
  start_seq int;
  remaining int := coalesce(p_limit, 2147483647);
  e record;
  part json;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_archived);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    period := place.period;
    relation_id := period.relation_id;
    key := pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk, false);
    CONTINUE WHEN key IS NULL;
    resumed := coalesce(relation_id = p_after_relation_id, false);
    start_lsn := CASE WHEN resumed THEN p_after_lsn ELSE place.lower_lsn END;
    start_seq := CASE WHEN resumed THEN p_after_seq ELSE 2147483647 END;
    part := pgtimewarp.archived_part(
      p_archived, period, pgtimewarp.archived_before(period, place.lower_lsn), place.lower_lsn, place.upper_lsn);
    before := pgtimewarp.version_at(period, key, start_lsn, start_seq, place.through, place.is_open, part);
    IF place.starts_inside AND NOT resumed AND before.op = 'S' AND remaining > 0 THEN
      op := 'S'; lsn := before.from_lsn; seq := before.from_seq; ts := before.from_ts; xid := NULL;
      row_data := before.row_data; changed := NULL; context := NULL;
      incomplete := pgtimewarp.incomplete_at(relation_id, before.incomplete, NULL, ts); assumes := NULL;
      RETURN NEXT;
      remaining := remaining - 1;
    END IF;
    FOR e IN EXECUTE format(
      '(SELECT r.op, r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.leaf_id, r.row_data, r.json_nulls,
               r.incomplete, r.nulls_assumed
          FROM %2$s r
         WHERE r.relation_id = %1$s AND r.pk = $1 AND (r.op <> ''S'' OR r.valid_from_lsn > $2)
           AND r.valid_from_lsn >= $3 AND (r.valid_from_lsn, r.seq) > ($3, $4) AND r.valid_from_lsn <= $5
         ORDER BY r.valid_from_lsn, r.seq LIMIT $6)
       UNION ALL
       SELECT t.op, t.lsn, t.seq, t.ts, t.xid, t.leaf_id, NULL, NULL, NULL, NULL
         FROM pgtimewarp.relation_events t
        WHERE t.relation_id = %1$s AND t.op = ''T'' AND (t.lsn, t.seq) > ($3, $4) AND t.lsn <= $5
       ORDER BY 2, 3', relation_id, pgtimewarp.changes_source(relation_id, part))
      USING key, period.tracked_from_lsn, start_lsn, start_seq, place.upper_lsn, remaining
    LOOP
      EXIT WHEN remaining = 0;
      CONTINUE WHEN e.op = 'T'
        AND (before.status IS DISTINCT FROM 'found' OR e.leaf_id IS NOT NULL AND e.leaf_id IS DISTINCT FROM before.leaf_id);
      op := e.op; lsn := e.lsn; seq := e.seq; ts := e.ts; xid := e.xid; row_data := e.row_data;
      incomplete := CASE WHEN e.op NOT IN ('D', 'T')
                         THEN pgtimewarp.incomplete_at(relation_id, e.incomplete, NULL, e.ts) END;
      assumes := CASE WHEN e.nulls_assumed THEN 'no-nan' END;
      changed := CASE WHEN e.op IN ('U', 'S') AND before.status = 'found'
        THEN pgtimewarp.changed_columns(before.row_data, before.json_nulls, e.row_data, e.json_nulls) END;
      SELECT c.context INTO context FROM pgtimewarp.context_at(p_node_id, period.lsn_space, e.lsn, e.seq, e.xid) c;
      RETURN NEXT;
      remaining := remaining - 1;
      before.status := CASE WHEN e.op IN ('D', 'T') THEN 'absent' ELSE 'found' END;
      before.leaf_id := e.leaf_id; before.row_data := e.row_data; before.json_nulls := e.json_nulls;
    END LOOP;
    EXIT WHEN remaining = 0;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
