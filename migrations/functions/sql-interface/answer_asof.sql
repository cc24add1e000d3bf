-- The answer to the last recorded question, {node, schema, table, pk, ts | lsn, requested}; no row without a question. A foreign
-- scan can only send a SELECT with conditions on columns, so a question travels as a condition: `WHERE question = '{…}'`. The
-- literal takes the column's type, question[]. Reading it runs the CHECK of the domain, which records the question for the
-- functions under the view. (docs/decisions/0013-questions-as-conditions.md)
CREATE OR REPLACE FUNCTION pgtimewarp.answer_asof() RETURNS TABLE (question pgtimewarp.question[], answer json)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off AS $$
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
BEGIN
  IF asked IS NOT NULL THEN
    PERFORM pgtimewarp.refuse_other_table(q ->> 'node', q ->> 'schema', q ->> 'table', (q ->> 'relid')::oid);
    RETURN QUERY
      SELECT ARRAY[asked]::pgtimewarp.question[],
             CASE WHEN q ? 'columns' AND a.status = 'found'
                  THEN pgtimewarp.with_names(a.answer, q ->> 'node', (q ->> 'relid')::oid, q -> 'columns') ELSE a.answer END
        FROM pgtimewarp.asof_answer(
               q ->> 'node', q ->> 'schema', q ->> 'table', q -> 'pk', (q ->> 'ts')::timestamptz, (q ->> 'lsn')::pg_lsn,
               q ->> 'requested') a;
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.answer_asof() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.answer_asof()
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
