-- The changes of each table by the commits (p_spaces, p_lsns) that have changes in the history and pass the filter of
-- node_transactions(). The rows of the history between the first and the last of these commits are counted. Commits that were
-- found by a context (`by`) may lie far apart, so each part of the history that contains some of them is read separately.
-- Expired changes do not count, because the history keeps only the last expired version of each row.
-- p_archived: the counts that are in the archive (archived_part()).
-- The planner cannot know how few rows that is, and would start parallel workers for them.
-- The relation is a constant in the text of the statements (docs/decisions/0024-own-locks.md).
CREATE OR REPLACE FUNCTION pgtimewarp.commit_tables(p_node_id text, p_spaces int[], p_lsns pg_lsn[], p_filter jsonb, p_archived json DEFAULT NULL)
RETURNS TABLE (lsn_space int, lsn pg_lsn, tables json, rows bigint)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
  NEAR CONSTANT numeric := 524288; -- bytes of WAL: a step of the index covers about as much
  place record;
  parts record;
  counted text;
  part json;
BEGIN
  SELECT array_agg(i.lsn_space) AS spaces, array_agg(i.first) AS firsts, array_agg(i.last) AS lasts INTO parts
    FROM (SELECT j.lsn_space, min(j.lsn) AS first, max(j.lsn) AS last
            FROM (SELECT k.*, count(*) FILTER (WHERE k.is_far) OVER (PARTITION BY k.lsn_space ORDER BY k.lsn) AS part
                    FROM (SELECT u.*, p_filter ? 'by' AND u.lsn - lag(u.lsn) OVER (PARTITION BY u.lsn_space ORDER BY u.lsn) > NEAR AS is_far
                            FROM unnest(p_spaces, p_lsns) AS u (lsn_space, lsn)) AS k) AS j
           GROUP BY j.lsn_space, j.part) AS i;
  -- one statement for all tables of the node, which names no other tables
  FOR place IN
    SELECT p AS period, p.relation_id, p.lsn_space, p.schema_name, p.table_name, greatest(r.first, x.expired_before_lsn + 1) AS first, r.last
      FROM pgtimewarp.relation_periods AS p
      JOIN (SELECT u.lsn_space, min(u.lsn) AS first, max(u.lsn) AS last FROM unnest(p_spaces, p_lsns) AS u (lsn_space, lsn)
             GROUP BY u.lsn_space) AS r ON r.lsn_space = p.lsn_space
      LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND (x.expired_before_lsn < r.last) IS NOT FALSE
       AND p.tracked_from_lsn < r.last AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= r.first)
       AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_filter -> 'only')
  LOOP
    part := pgtimewarp.archived_part(
      p_archived, place.period, pgtimewarp.archived_before(place.period, place.first - 1), place.first - 1, place.last, 'counts');
    IF part IS NOT NULL THEN
      counted := concat_ws(' UNION ALL ', counted, format(
        'SELECT %s AS lsn_space, ''0/0''::pg_lsn + a.valid_from_lsn AS lsn, %L AS schema, %L AS "table", a.op::"char", a.number
           FROM json_to_recordset(%L) AS a (valid_from_lsn numeric, op text, number bigint)
          WHERE ''0/0''::pg_lsn + a.valid_from_lsn BETWEEN %L AND %L',
        place.lsn_space, place.schema_name, place.table_name, part -> 'rows', place.first, place.last));
    END IF;
    counted := concat_ws(' UNION ALL ', counted, format(
      'SELECT %1$s AS lsn_space, r.valid_from_lsn AS lsn, %2$L AS schema, %3$L AS "table", r.op, count(*) AS number
         FROM unnest($4, $5, $6) AS w (lsn_space, first, last)
         JOIN pgtimewarp.row_changes AS r
           ON r.relation_id = %4$s AND r.valid_from_lsn >= greatest(w.first, %5$L, %7$L) AND r.valid_from_lsn <= w.last AND r.xid IS NOT NULL
        WHERE w.lsn_space = %1$s
        GROUP BY r.valid_from_lsn, r.op
        UNION ALL
       SELECT %1$s, e.lsn, %2$L, %3$L, e.op, count(*)
         FROM pgtimewarp.relation_events AS e
        WHERE e.relation_id = %4$s AND e.op = ''T'' AND e.lsn >= %5$L AND e.lsn <= %6$L
        GROUP BY e.lsn, e.op', place.lsn_space, place.schema_name, place.table_name, place.relation_id, place.first, place.last,
      (part ->> 'before')::pg_lsn));
  END LOOP;
  IF counted IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY EXECUTE '
    SELECT t.lsn_space, t.lsn, json_agg(json_build_object(
             ''schema'', t.schema, ''table'', t."table", ''inserts'', t.inserts, ''updates'', t.updates, ''deletes'', t.deletes,
             ''truncates'', t.truncates) ORDER BY t.schema, t."table"), sum(t.inserts + t.updates + t.deletes)::bigint
      FROM (SELECT c.lsn_space, c.lsn, c.schema, c."table",
                   coalesce(sum(c.number) FILTER (WHERE c.op = ''I''), 0) AS inserts,
                   coalesce(sum(c.number) FILTER (WHERE c.op = ''U''), 0) AS updates,
                   coalesce(sum(c.number) FILTER (WHERE c.op = ''D''), 0) AS deletes,
                   coalesce(sum(c.number) FILTER (WHERE c.op = ''T''), 0) AS truncates,
                   bool_or($3 -> ''op'' ? c.op::text) AS has_op
              FROM (' || counted || ') AS c
             WHERE (c.lsn_space, c.lsn) IN (SELECT u.lsn_space, u.lsn FROM unnest($1, $2) AS u (lsn_space, lsn))
             GROUP BY 1, 2, 3, 4) AS t
     GROUP BY t.lsn_space, t.lsn
    HAVING coalesce(bool_or(CASE WHEN coalesce($3 ? ''table'', false) THEN (t.schema, t."table") = ($3 ->> ''schema'', $3 ->> ''table'') ELSE true END
                            AND coalesce(t.has_op, true)), false)
       AND coalesce(sum(t.inserts + t.updates + t.deletes) >= ($3 ->> ''min_rows'')::bigint OR sum(t.truncates) > 0, true)'
    USING p_spaces, p_lsns, p_filter, parts.spaces, parts.firsts, parts.lasts;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.commit_tables(text, int[], pg_lsn[], jsonb, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.commit_tables(text, int[], pg_lsn[], jsonb, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
