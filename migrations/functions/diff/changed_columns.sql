-- {"column": {"from": …, "to": …}} of the columns that differ between two rows.
CREATE OR REPLACE FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[])
RETURNS json
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  escaped boolean := position(chr(92) || 'u' IN concat(p_old, p_new)) > 0;
  old_row json := CASE WHEN escaped THEN pgtimewarp.json_stand_in(p_old::text, false)::json ELSE p_old END;
  new_row json := CASE WHEN escaped THEN pgtimewarp.json_stand_in(p_new::text, false)::json ELSE p_new END;
  is_alike boolean;
  changed text;
BEGIN
  -- most rows have the same columns in the same order, and need no join
  IF NOT escaped THEN
    SELECT coalesce(bool_and(z.old_key IS NOT DISTINCT FROM z.new_key), true), '{' || coalesce(string_agg(
             to_json(z.new_key) || ':{"from":' || z.old_value::text || ',"to":' || z.new_value::text || '}', ',')
             FILTER (WHERE z.old_value::text <> z.new_value::text
                        OR coalesce(z.new_key = ANY (p_old_nulls), false) <> coalesce(z.new_key = ANY (p_new_nulls), false)), '') || '}'
      INTO is_alike, changed
      FROM ROWS FROM (json_each(p_old), json_each(p_new)) AS z (old_key, old_value, new_key, new_value);
    IF is_alike THEN
      RETURN changed;
    END IF;
  END IF;
  SELECT '{' || coalesce(string_agg(
           to_json(coalesce(n.key, o.key)) || ':{'
           || concat_ws(',', '"from":' || o.value::text, '"to":' || n.value::text) || '}',
           ',' ORDER BY n.ordinality, o.ordinality), '') || '}'
    INTO changed
    FROM json_each(old_row) WITH ORDINALITY o
    FULL JOIN json_each(new_row) WITH ORDINALITY n ON n.key = o.key
   CROSS JOIN LATERAL (
         SELECT CASE WHEN escaped THEN pgtimewarp.json_stand_in('"' || coalesce(n.key, o.key) || '"', true)::json #>> '{}'
                     ELSE coalesce(n.key, o.key) END AS name) c
   WHERE o.value::text IS DISTINCT FROM n.value::text
         -- JSON null and SQL NULL have the same text
      OR coalesce(c.name = ANY (p_old_nulls), false) <> coalesce(c.name = ANY (p_new_nulls), false);
  RETURN CASE WHEN escaped THEN pgtimewarp.json_stand_in(changed, true) ELSE changed END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.changed_columns(json, text[], json, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.changed_columns(json, text[], json, text[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
