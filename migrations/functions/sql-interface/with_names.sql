-- An answer whose row has the present column names of the table. p_columns is {"number": "name"} of the table with OID p_relid. A
-- renamed column is found by its number. If it is uncertain which value belongs to a column, the column is not in the row but in
-- `incomplete`. A column in neither was added after the row was written. Values of dropped columns are left out.
CREATE OR REPLACE FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  escaped boolean := position(chr(92) || 'u' IN p_answer::text) > 0;
  answer json := CASE WHEN escaped THEN pgtimewarp.json_stand_in(p_answer::text, false)::json ELSE p_answer END;
  written pg_lsn := answer #>> '{valid_from,lsn}';
  read_upto pg_lsn;  -- a row that was read: the log up to here decides it
  period pgtimewarp.relation_periods;
  is_same boolean;   -- NULL: unknown
  named text;
  uncertain text[];
  result text;
BEGIN
  period := (pgtimewarp.position_at(
    p_node_id, pgtimewarp.json_stood_for(answer ->> 'schema', escaped), pgtimewarp.json_stood_for(answer ->> 'table', escaped),
    (answer #>> '{valid_from,ts}')::timestamptz, NULL, true)).period;
  is_same := (SELECT t.relid = p_relid FROM pgtimewarp.tracked_relations t WHERE t.relation_id = period.relation_id);
  EXECUTE format(
    'SELECT r.read_lsn FROM pgtimewarp.row_changes r
      WHERE r.relation_id = %s AND r.valid_from_lsn = $1 AND r.op = ''S'' AND r.pk = $2', period.relation_id)
     INTO read_upto
    USING written, array_to_json(ARRAY(
            SELECT pgtimewarp.json_stood_for(k.value, escaped) FROM json_each_text(answer -> 'pk') WITH ORDINALITY k
             ORDER BY k.ordinality))::text;
  read_upto := coalesce(read_upto, written);

  WITH member AS (
    SELECT pgtimewarp.json_stood_for(e.key, escaped) AS name, e.value::text AS value FROM json_each(answer -> 'row') e),
  -- every name that a column may have had when the row was written, or read
  had AS (
    SELECT (c.facts ->> 'attnum')::int AS attnum, n.name
      FROM jsonb_array_elements(period.columns) AS c (facts)
     CROSS JOIN LATERAL (
           SELECT c.facts ->> 'name' AS name, (c.facts ->> 'since_lsn')::pg_lsn AS since, NULL::pg_lsn AS until
            UNION ALL
           SELECT f.was ->> 'name', (f.was ->> 'since_lsn')::pg_lsn, (f.was ->> 'until_lsn')::pg_lsn
             FROM jsonb_array_elements(coalesce(c.facts -> 'former_names', '[]')) AS f (was)) AS n
     WHERE n.since < read_upto AND (n.until IS NULL OR written <= n.until)),
  claim AS (
    SELECT DISTINCT h.attnum, m.name, m.value FROM had h JOIN member m ON m.name = h.name),
  -- columns without such a value that may have existed nevertheless
  doubt AS (
    SELECT (c.facts ->> 'attnum')::int AS attnum
      FROM jsonb_array_elements(period.columns) AS c (facts)
     WHERE c.facts ? 'former_names' AND (c.facts #>> '{former_names,0,since_lsn}')::pg_lsn < read_upto
        OR c.facts ->> 'name' IN (SELECT m.name FROM member m EXCEPT SELECT o.name FROM claim o)),
  judged AS (
    SELECT w.key::int AS attnum, w.value AS name,
           (SELECT min(c.value) FROM claim c WHERE c.attnum = w.key::int HAVING count(*) = 1
               AND NOT EXISTS (SELECT FROM claim o JOIN claim mine ON mine.name = o.name
                                WHERE mine.attnum = w.key::int AND o.attnum <> w.key::int)) AS value,
           w.key::int IN (SELECT c.attnum FROM claim c UNION ALL SELECT d.attnum FROM doubt d) AS may_have_been
      FROM jsonb_each_text(p_columns) w
     WHERE is_same
     UNION ALL
    -- unknown whether it is the same table: match by name if that is unambiguous
    SELECT w.key::int, w.value, m.value, EXISTS (
             SELECT FROM member o WHERE o.name NOT IN (SELECT k.value FROM jsonb_each_text(p_columns) k))
      FROM jsonb_each_text(p_columns) w LEFT JOIN member m ON m.name = w.value
     WHERE is_same IS NOT TRUE)
  SELECT string_agg(CASE WHEN escaped THEN pgtimewarp.json_stand_in(to_json(j.name)::text, false) ELSE to_json(j.name)::text END
                    || ':' || j.value, ',' ORDER BY j.attnum) FILTER (WHERE j.value IS NOT NULL),
         array_agg(j.name ORDER BY j.attnum) FILTER (WHERE j.value IS NULL AND j.may_have_been)
    INTO named, uncertain
    FROM judged j;

  SELECT '{' || string_agg(to_json(e.key) || ':' || CASE e.key
           WHEN 'row' THEN '{' || coalesce(named, '') || '}'
           WHEN 'incomplete' THEN lacking.names
           ELSE e.value::text END, ',' ORDER BY e.ordinality) || '}'
    INTO result
    FROM json_each(answer) WITH ORDINALITY e
   CROSS JOIN LATERAL (
         SELECT CASE WHEN e.key = 'incomplete' THEN array_to_json(ARRAY(
                  SELECT pgtimewarp.json_stood_for(n, escaped) FROM json_array_elements_text(e.value) n
                   UNION SELECT unnest(uncertain) ORDER BY 1))::text END AS plain) l
   CROSS JOIN LATERAL (
         SELECT CASE WHEN escaped THEN pgtimewarp.json_stand_in(l.plain, false) ELSE l.plain END AS names) lacking;
  RETURN CASE WHEN escaped THEN pgtimewarp.json_stand_in(result, true) ELSE result END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.with_names(json, text, oid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.with_names(json, text, oid, jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
