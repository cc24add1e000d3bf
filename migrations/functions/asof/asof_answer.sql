-- The answer for one key as of an instant: a time, an LSN (in the node's present LSN space), or neither, which means now. This
-- function makes every verdict (found, absent, unknown, and why), so the command line, HTTP and SQL on the source agree.
--
-- A question is one statement, so all its reads share one snapshot. Errors have their own SQLSTATEs: TW001 table not tracked,
-- TW002 key unusable, TW003 node unknown, TW004 interval unusable, TW005 another table, TW007 in the archive: then the caller reads
-- the changes of the key there and asks again with them (p_archived, see archived_part()).
-- position_at() decides whether the table is known at the instant; version_at() decides what is known of the key.
CREATE OR REPLACE FUNCTION pgtimewarp.asof_answer(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_archived json DEFAULT NULL) RETURNS TABLE(status text, reason text, final boolean, answer json)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
  at pgtimewarp.history_position;
  period pgtimewarp.relation_periods;
  key_values text[];
  v pgtimewarp.key_state; -- NULL in all members while nothing is known
  context json;
  oldest text := '';
  assumes text := '';
  part json; -- of the archive; NULL: the store has what is needed
BEGIN
  at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_at_ts, p_at_lsn, true);
  period := at.period;
  key_values := pgtimewarp.canonical_key_values(period.pk_columns, period.pk_kinds, p_pk);
  final := at.final;
  IF at.archived_before_lsn IS NOT NULL THEN
    part := pgtimewarp.archived_part(p_archived, period, at.archived_before_lsn, at.lsn, at.lsn);
  END IF;
  IF at.reason IS NOT NULL THEN
    status := 'unknown'; reason := at.reason;
    IF reason = 'expired' THEN
      oldest := format(',"oldest":{"lsn":"%s","ts":%s}', at.expired_before_lsn, pgtimewarp.json_instant(at.expired_before_ts));
    END IF;
  ELSIF array_to_json(key_values)::text IN (SELECT d.pk FROM json_array_elements_text(part -> 'damaged') AS d (pk)) THEN
    status := 'unknown'; reason := 'archive_damaged'; final := false;
  ELSE
    v := pgtimewarp.version_at(period, array_to_json(key_values)::text, at.lsn, 2147483647, at.through, at.is_open, part);
    status := v.status; reason := v.reason; final := final AND v.settled;
    -- The store forgets whether and when a row was removed before the window. The answer says so as soon as the cutoff has
    -- passed the removal, so it does not depend on which ranges are dropped already.
    IF status = 'absent' AND at.expired_before_ts IS NOT NULL
       AND (reason = 'not_yet_inserted' OR v.from_lsn <= at.expired_before_lsn) THEN
      reason := 'not_in_window';
      v.op := NULL; v.from_lsn := NULL; v.from_seq := NULL; v.from_ts := NULL; v.from_xid := NULL;
      v.to_lsn := NULL; v.to_ts := NULL; v.to_xid := NULL;
      EXECUTE format(
        'SELECT r.valid_from_lsn, r.valid_from_ts, r.xid
           FROM %2$s r
          WHERE r.relation_id = %1$s AND r.pk = $1 AND r.valid_from_lsn > $2
          ORDER BY r.valid_from_lsn, r.seq LIMIT 1', period.relation_id, pgtimewarp.changes_source(period.relation_id, part))
         INTO v.to_lsn, v.to_ts, v.to_xid USING array_to_json(key_values)::text, at.lsn;
    END IF;
    IF status = 'found' THEN
      v.incomplete := pgtimewarp.incomplete_at(period.relation_id, v.incomplete, at.asked_lsn, at.asked_ts);
      assumes := CASE WHEN v.nulls_assumed THEN ',"assumes":"no-nan"' ELSE '' END;
    END IF;
    IF (v.from_lsn <= at.expired_before_lsn) IS NOT TRUE THEN
      SELECT t.context INTO context FROM pgtimewarp.context_at(p_node_id, period.lsn_space, v.from_lsn, v.from_seq, v.from_xid) t;
    END IF;
  END IF;

  IF status = 'unknown' THEN
    v := NULL; -- an unknown answer has no beginning and no end
  END IF;
  answer := format(
    '{"status":"%s","reason":%s,"schema":%s,"table":%s,"pk":%s,"row":%s,"op":%s,"incomplete":%s,"context":%s,'
    '"valid_from":%s,"valid_to":%s,"as_of":{"requested":%s,"lsn":%s},"horizon":{"lsn":%s,"ts":%s},"final":%s%s%s%s}',
    status, coalesce('"' || reason || '"', 'null'), to_json(p_schema), to_json(p_table),
    pgtimewarp.json_object_of(period.pk_columns, key_values),
    coalesce(v.row_data::text, 'null'), coalesce('"' || v.op::text || '"', 'null'),
    coalesce(array_to_json(v.incomplete)::text, '[]'), coalesce(context::text, 'null'),
    pgtimewarp.json_commit(v.from_lsn, v.from_ts, v.from_xid), pgtimewarp.json_commit(v.to_lsn, v.to_ts, v.to_xid),
    coalesce(to_json(p_requested)::text, pgtimewarp.json_instant(coalesce(p_at_ts, statement_timestamp()))),
    coalesce('"' || at.lsn || '"', 'null'), coalesce('"' || at.horizon_lsn || '"', 'null'),
    pgtimewarp.json_instant(at.horizon_ts), final::text, oldest, assumes,
    CASE WHEN part IS NOT NULL THEN ',"tier":"archive"' END);
  RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.asof_answer(text, text, text, jsonb, timestamptz, pg_lsn, text, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.asof_answer(text, text, text, jsonb, timestamptz, pg_lsn, text, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
