-- Many keys as of one instant: one statement, so that all answers share one snapshot and one horizon. A row for each key,
-- in the order of the keys; a key that cannot be used has the message and hint of its error (TW002) and spoils no other.
-- The rows end early, behind the one with which the answers exceed p_max_bytes.
CREATE FUNCTION pgtimewarp.asof_answers(
  p_node_id text, p_schema text, p_table text, p_pks text[], p_at_ts timestamptz, p_at_lsn pg_lsn, p_requested text,
  p_max_bytes bigint)
RETURNS TABLE (status text, reason text, final boolean, answer json, error_message text, error_hint text)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  pk text;
  bytes bigint := 0;
BEGIN
  FOREACH pk IN ARRAY p_pks LOOP
    error_message := NULL;
    error_hint := NULL;
    BEGIN
      SELECT a.status, a.reason, a.final, a.answer INTO status, reason, final, answer
        FROM pgtimewarp.asof_answer(p_node_id, p_schema, p_table, pk::jsonb, p_at_ts, p_at_lsn, p_requested) a;
    EXCEPTION
      -- 22: no JSON, or no value of its type; 54: nested deeper or longer than can be read
      WHEN SQLSTATE 'TW002' OR data_exception OR statement_too_complex OR program_limit_exceeded THEN
        status := NULL;
        reason := NULL;
        final := NULL;
        answer := NULL;
        GET STACKED DIAGNOSTICS error_message = MESSAGE_TEXT, error_hint = PG_EXCEPTION_HINT;
        error_hint := nullif(error_hint, '');
    END;
    RETURN NEXT;
    bytes := bytes + coalesce(octet_length(answer::text), 0);
    EXIT WHEN bytes > p_max_bytes;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION
  pgtimewarp.asof_answers(text, text, text, text[], timestamptz, pg_lsn, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.asof_answers(text, text, text, text[], timestamptz, pg_lsn, text, bigint)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;

-- Entering and leaving a function with settings of its own costs more than these do inside. They are called only by
-- functions that have set the path already.
ALTER FUNCTION pgtimewarp.version_at(pgtimewarp.relation_periods, text, pg_lsn, int, pg_lsn, boolean) RESET search_path;
ALTER FUNCTION pgtimewarp.canonical_key_values(text[], text[], jsonb) RESET search_path;
ALTER FUNCTION pgtimewarp.canonical_value(text, text) RESET search_path;
ALTER FUNCTION pgtimewarp.json_object_of(text[], text[]) RESET search_path;
