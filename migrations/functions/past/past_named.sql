-- A row under the present names of the columns, and the columns without a known value: see with_names(). p_pk is the key as in
-- row_changes.
CREATE OR REPLACE FUNCTION pgtimewarp.past_named(
  p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_row json, p_incomplete text[],
  p_written_lsn pg_lsn, p_written_ts timestamptz, OUT row_data json, OUT incomplete text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  answer json;
  escaped boolean;
BEGIN
  answer := pgtimewarp.with_names(
    format('{"schema":%s,"table":%s,"pk":%s,"row":%s,"incomplete":%s,"valid_from":{"lsn":"%s","ts":%s}}',
           to_json(p_period.schema_name), to_json(p_period.table_name),
           pgtimewarp.json_object_of(p_period.pk_columns, ARRAY(
             SELECT k.value FROM json_array_elements_text(p_pk::json) WITH ORDINALITY AS k (value, place) ORDER BY k.place)),
           p_row, coalesce(array_to_json(p_incomplete)::text, '[]'), p_written_lsn, pgtimewarp.json_instant(p_written_ts))::json,
    p_period.node_id, p_relid, p_columns);
  escaped := position(chr(92) || 'u' IN answer::text) > 0;
  IF escaped THEN
    answer := pgtimewarp.json_stand_in(answer::text, false);
  END IF;
  row_data := CASE WHEN escaped THEN pgtimewarp.json_stand_in((answer -> 'row')::text, true) ELSE (answer -> 'row')::text END;
  incomplete := ARRAY(
    SELECT pgtimewarp.json_stood_for(n.name, escaped) FROM json_array_elements_text(answer -> 'incomplete') AS n (name));
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.past_named(pgtimewarp.relation_periods, oid, jsonb, text, json, text[], pg_lsn, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.past_named(pgtimewarp.relation_periods, oid, jsonb, text, json, text[], pg_lsn, timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
