-- The answers to several questions, in their order, each like asof_answer(). The four arrays hold per question: the key, the time
-- or the LSN (neither: now), and the text of the instant. If asof_answer() fails for one question, this fails for all.
--
-- asof_answer() needs a dozen statements per question. Most questions are plain: a row was there, nothing about the instant is
-- unknown, and the key alone decides which version it was. One query answers all plain questions, and asof_answer() the others.
-- When it is not certain that a question is plain, asof_answer() answers it. (docs/decisions/0020-plain-questions.md)
CREATE OR REPLACE FUNCTION pgtimewarp.asof_each(
  p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamptz[], p_at_lsn pg_lsn[],
  p_requested text[])
RETURNS TABLE (status text, reason text, final boolean, answer text)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  f pgtimewarp.plain_facts; -- NULL in all members when no question is plain
BEGIN
  -- The running period, and its plain instants: from from_* to to_*, both included. They certainly lie in the period (after its
  -- start, where another may end) and in no gap, have not expired, are not archived, and lie before every partition that is not
  -- judged yet. While a gap is open no question is plain, and none about a table with virtual columns.
  SELECT p.relation_id, p.lsn_space, p.pk_columns, p.pk_kinds, c.applied_lsn, c.applied_ts,
         -- where the history begins
         greatest(p.tracked_from_lsn, x.expired_before_lsn) AS start_lsn,
         greatest(p.tracked_from_lsn + 1, x.expired_before_lsn, g.ended_lsn, a.before_lsn - 1) AS from_lsn,
         greatest(p.tracked_from_ts + interval '1 microsecond', x.expired_before_ts, g.ended_ts, a.before_ts) AS from_ts,
         coalesce(l.unjudged_lsn, 'FFFFFFFF/FFFFFFFF') AS to_lsn,
         coalesce(l.unjudged_ts, 'infinity') AS to_ts,
         (SELECT e.lsn FROM pgtimewarp.relation_events e
           WHERE e.relation_id = p.relation_id AND e.op = 'T' ORDER BY e.lsn DESC LIMIT 1) AS truncated_lsn,
         '"schema":' || to_json(p_schema) || ',"table":' || to_json(p_table) || ',"pk":' AS table_members,
         CASE WHEN cardinality(p.pk_columns) = 1 THEN '{' || to_json(p.pk_columns[1]) || ':' END AS key_member,
         '"},"horizon":{"lsn":"' || c.applied_lsn || '","ts":' || pgtimewarp.json_instant(c.applied_ts) || '}'
           AS horizon_member
    INTO f
    FROM pgtimewarp.tracked_relations p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id AND c.lsn_space = p.lsn_space
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id AND x.expired_before_ts IS NOT NULL
    LEFT JOIN pgtimewarp.archive_cutoffs a ON a.relation_id = p.relation_id
   CROSS JOIN LATERAL (
         SELECT max(g.to_lsn) FILTER (WHERE g.lsn_space = p.lsn_space) AS ended_lsn, max(g.to_ts) AS ended_ts,
                bool_or(g.to_lsn IS NULL) AS is_open
           FROM pgtimewarp.history_gaps g
          WHERE g.node_id = p.node_id AND (g.relation_id IS NULL OR g.relation_id = p.relation_id)) AS g
   CROSS JOIN LATERAL (
         SELECT min(l.seen_after_lsn) AS unjudged_lsn, min(l.seen_after_ts) AS unjudged_ts
           FROM pgtimewarp.relation_leaves l
          WHERE l.relation_id = p.relation_id AND l.attached AND NOT l.checked) AS l
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
     AND p.tracked_from_lsn IS NOT NULL AND p.tracked_to_lsn IS NULL AND g.is_open IS NOT TRUE
     AND NOT EXISTS (SELECT FROM pgtimewarp.virtual_columns vc WHERE vc.relation_id = p.relation_id);
  IF f.relation_id IS NULL THEN
    RETURN QUERY
      SELECT o.status, o.reason, o.final, o.answer::text
        FROM generate_subscripts(p_pks, 1) AS s (place)
       CROSS JOIN LATERAL pgtimewarp.asof_answer(
                p_node_id, p_schema, p_table, p_pks[s.place], p_at_ts[s.place], p_at_lsn[s.place], p_requested[s.place]) o;
  ELSE
    RETURN QUERY EXECUTE format(
      'SELECT e.status, e.reason, e.final, e.answer
         FROM pgtimewarp.asof_each_r%s($1, $2, $3, $4, $5, $6, $7, $8) e', f.relation_id)
      USING f, p_node_id, p_schema, p_table, p_pks, p_at_ts, p_at_lsn, p_requested;
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.asof_each(text, text, text, jsonb[], timestamptz[], pg_lsn[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.asof_each(text, text, text, jsonb[], timestamptz[], pg_lsn[], text[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
