-- Creates asof_each_r<id>(), the function that answers plain questions about one relation and leaves the others to asof_answer().
-- Its statement is planned once per session, because planning takes longer than answering. The planner overestimates its cost by
-- orders of magnitude, so JIT compilation is off, and so is memoization: no look-up occurs twice. Only asof_each() calls it, which
-- has set search_path.
CREATE OR REPLACE FUNCTION pgtimewarp.create_relation_function(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $create$
DECLARE
  name text := format('pgtimewarp.asof_each_r%s', p_relation_id);
BEGIN
  EXECUTE format($f$
CREATE OR REPLACE FUNCTION %2$s(
  f pgtimewarp.plain_facts, p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamptz[],
  p_at_lsn pg_lsn[], p_requested text[])
RETURNS TABLE (status text, reason text, final boolean, answer text)
LANGUAGE plpgsql STABLE ROWS 10
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_memoize = off AS $$
#variable_conflict use_column
BEGIN
  -- OFFSET 0 makes the planner compute a value once, and not at every place that uses it.
  RETURN QUERY
    SELECT a.status, a.reason, a.final, a.answer
      FROM (SELECT s.place, p_pks[s.place] AS pk, p_at_ts[s.place] AS at_ts, p_at_lsn[s.place] AS at_lsn,
                   CASE WHEN p_at_lsn[s.place] IS NOT NULL THEN p_at_lsn[s.place] BETWEEN f.from_lsn AND f.to_lsn
                        ELSE coalesce(p_at_ts[s.place], 'infinity') BETWEEN f.from_ts AND f.to_ts END AS is_inside
              FROM generate_subscripts(p_pks, 1) AS s (place)
            OFFSET 0) AS q
     CROSS JOIN LATERAL (
           -- A bare value is looked up as written. The history holds canonical texts, and a canonical text is its own
           -- canonical form. So a text that is found is the key; asof_answer() gets the others.
           SELECT CASE WHEN q.is_inside IS NOT TRUE THEN NULL
                       WHEN jsonb_typeof(q.pk) IN ('string', 'number', 'boolean') THEN ARRAY[q.pk #>> '{}']
                       ELSE pgtimewarp.canonical_key_values(f.pk_columns, f.pk_kinds, q.pk) END AS key_values,
                  -- The last commit at the instant. An LSN in a question mostly comes from an answer, so it is that of a
                  -- commit. Looking for that entry first is cheaper: "the last before" reads half an index page.
                  greatest(f.start_lsn,
                    CASE WHEN q.at_lsn IS NOT NULL THEN
                           coalesce((SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                                      WHERE m.node_id = p_node_id AND m.lsn_space = f.lsn_space AND m.lsn = q.at_lsn),
                                    (SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                                      WHERE m.node_id = p_node_id AND m.lsn_space = f.lsn_space AND m.lsn <= q.at_lsn
                                      ORDER BY m.lsn DESC LIMIT 1))
                         WHEN q.at_ts <= f.applied_ts THEN
                           (SELECT CASE WHEN m.lsn_space = f.lsn_space THEN m.lsn END FROM pgtimewarp.lsn_time_map m
                             WHERE m.node_id = p_node_id AND m.ts <= q.at_ts ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT 1)
                         ELSE f.applied_lsn END) AS lsn
            OFFSET 0) AS i
     CROSS JOIN LATERAL (SELECT array_to_json(i.key_values)::text AS pk OFFSET 0) AS k
      -- the last change at or before the instant
      LEFT JOIN LATERAL (
           SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.read_lsn, r.row_data, r.incomplete,
                  r.nulls_assumed
             FROM pgtimewarp.row_changes r
            WHERE r.relation_id = %1$s AND r.pk = k.pk AND (r.valid_from_lsn, r.seq) <= (i.lsn, 2147483647)
            ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1) AS ver ON true
      -- the first change after it
      LEFT JOIN LATERAL (
           SELECT r.valid_from_lsn AS lsn, r.valid_from_ts AS ts, r.xid
             FROM pgtimewarp.row_changes r
            WHERE r.relation_id = %1$s AND r.pk = k.pk AND (r.valid_from_lsn, r.seq) > (i.lsn, 2147483647)
            ORDER BY r.valid_from_lsn, r.seq LIMIT 1) AS nxt ON true
      -- the context of the transaction; baseline rows have none, and retention drops contexts before the cutoff
      LEFT JOIN LATERAL (
           SELECT c.context
             FROM pgtimewarp.context_at(p_node_id, f.lsn_space,
                    CASE WHEN ver.xid IS NOT NULL AND ver.lsn > f.start_lsn THEN ver.lsn END, ver.seq, ver.xid) AS c) AS t ON true
     CROSS JOIN LATERAL (
           -- The version shows the row, and no TRUNCATE came after it. A baseline row must have been read before the next
           -- change (see version_at()).
           SELECT (f.truncated_lsn < ver.lsn) IS NOT FALSE
                  AND (ver.op IN ('I', 'U')
                       OR ver.op = 'S' AND ver.read_lsn <= f.applied_lsn AND (nxt.lsn > ver.read_lsn) IS NOT FALSE)
                  AS is_plain,
                  coalesce(CASE WHEN q.at_lsn IS NOT NULL THEN q.at_lsn <= f.applied_lsn ELSE q.at_ts <= f.applied_ts END,
                           false) AS final
            OFFSET 0) AS v
     CROSS JOIN LATERAL (
           SELECT 'found' AS status, NULL AS reason, v.final,
                  concat('{"status":"found","reason":null,', f.table_members,
                    CASE WHEN f.key_member IS NOT NULL THEN f.key_member || substr(k.pk, 2, length(k.pk) - 2) || '}'
                         ELSE pgtimewarp.json_object_of(f.pk_columns, i.key_values) END,
                    ',"row":', ver.row_data, ',"op":"', ver.op,
                    '","incomplete":', coalesce(array_to_json(ver.incomplete)::text, '[]'),
                    ',"context":', coalesce(t.context::text, 'null'),
                    ',"valid_from":', pgtimewarp.json_commit(ver.lsn, ver.ts, ver.xid),
                    ',"valid_to":', pgtimewarp.json_commit(nxt.lsn, nxt.ts, nxt.xid),
                    ',"as_of":{"requested":',
                    coalesce(to_json(p_requested[q.place])::text,
                             pgtimewarp.json_instant(coalesce(q.at_ts, statement_timestamp()))),
                    ',"lsn":"', i.lsn, f.horizon_member, ',"final":', v.final::text,
                    CASE WHEN ver.nulls_assumed THEN ',"assumes":"no-nan"' END, '}') AS answer
            WHERE v.is_plain
            UNION ALL
           SELECT o.status, o.reason, o.final, o.answer::text
             FROM pgtimewarp.asof_answer(
                    p_node_id, p_schema, p_table, q.pk, q.at_ts, q.at_lsn, p_requested[q.place]) o
            WHERE v.is_plain IS NOT TRUE) AS a;
END $$
  $f$, p_relation_id, name);
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
  EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin', name);
END $create$;

REVOKE ALL ON FUNCTION pgtimewarp.create_relation_function(int) FROM PUBLIC;
