-- The answers for many keys as of one instant, in one statement: they share one snapshot and one horizon. Returns a row per key,
-- in the order of the keys. A key that cannot be used gets the message and hint of its error (TW002) in its row.
-- The rows end after the one with which the answers exceed p_max_bytes.
--
-- Keys are asked in batches: large enough that the cost of a statement does not matter, and small enough to read few rows beyond
-- p_max_bytes. asof_each() fails before it returns a row. If one key of a batch cannot be used, its keys are asked one by one, as with
-- p_archived: see asof_answer().
CREATE OR REPLACE FUNCTION pgtimewarp.asof_answers(
  p_node_id text, p_schema text, p_table text, p_pks text[], p_at_ts timestamptz, p_at_lsn pg_lsn, p_requested text,
  p_max_bytes bigint, p_archived json DEFAULT NULL)
RETURNS TABLE (status text, reason text, final boolean, answer text, error_message text, error_hint text)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  together CONSTANT int := 16;
  pks text[];
  pk text;
  bytes bigint := 0;
BEGIN
  FOR place IN 1 .. cardinality(p_pks) BY together LOOP
    pks := p_pks[place : place + together - 1];
    error_message := NULL;
    error_hint := NULL;
    BEGIN
      IF p_archived IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TW002'; -- one by one
      END IF;
      FOR status, reason, final, answer IN
        SELECT a.status, a.reason, a.final, a.answer
          FROM pgtimewarp.asof_each(p_node_id, p_schema, p_table, pks::jsonb[],
                 array_fill(p_at_ts, ARRAY[cardinality(pks)]), array_fill(p_at_lsn, ARRAY[cardinality(pks)]),
                 array_fill(p_requested, ARRAY[cardinality(pks)])) a
      LOOP
        RETURN NEXT;
        bytes := bytes + octet_length(answer);
        EXIT WHEN bytes > p_max_bytes;
      END LOOP;
    EXCEPTION
      -- 22: no JSON, or no value of the type; 54: nested too deep, or too long
      WHEN SQLSTATE 'TW002' OR data_exception OR statement_too_complex OR program_limit_exceeded THEN
        FOREACH pk IN ARRAY pks LOOP
          error_message := NULL;
          error_hint := NULL;
          BEGIN
            SELECT a.status, a.reason, a.final, a.answer::text INTO status, reason, final, answer
              FROM pgtimewarp.asof_answer(p_node_id, p_schema, p_table, pk::jsonb, p_at_ts, p_at_lsn, p_requested, p_archived) a;
          EXCEPTION
            WHEN SQLSTATE 'TW002' OR data_exception OR statement_too_complex OR program_limit_exceeded THEN
              status := NULL;
              reason := NULL;
              final := NULL;
              answer := NULL;
              GET STACKED DIAGNOSTICS error_message = MESSAGE_TEXT, error_hint = PG_EXCEPTION_HINT;
              error_hint := nullif(error_hint, '');
          END;
          RETURN NEXT;
          bytes := bytes + coalesce(octet_length(answer), 0);
          EXIT WHEN bytes > p_max_bytes;
        END LOOP;
    END;
    EXIT WHEN bytes > p_max_bytes;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.asof_answers(text, text, text, text[], timestamptz, pg_lsn, text, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.asof_answers(text, text, text, text[], timestamptz, pg_lsn, text, bigint, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
