-- What {"column": "value"} asks of the rows of a period, ready to be compared. A column is found by the name that it has now or had
-- before; rows of before a renaming have the earlier name. How values compare follows the type that the column has now. A null asks for NULL.
-- p_is_judge: the question is judged by this period, in which it ends. Then this raises TW006 for a column that the table has not or
-- that is excluded, and for a value that the column cannot have. Rows of another period simply do not match.
CREATE OR REPLACE FUNCTION pgtimewarp.row_filters(p_period pgtimewarp.relation_periods, p_where jsonb, p_is_judge boolean DEFAULT true)
RETURNS pgtimewarp.row_filter[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
  filters pgtimewarp.row_filter[] := '{}';
  filter pgtimewarp.row_filter;
  asked record;
  facts jsonb;
  plain CONSTANT text[] := ARRAY[
    'int2', 'int4', 'int8', 'numeric', 'float4', 'float8', 'bool', 'text', 'varchar', 'bpchar', 'name', 'char', 'bytea', 'uuid', 'date', 'time',
    'timetz', 'timestamp', 'timestamptz', 'inet', 'cidr', 'macaddr', 'macaddr8', 'bit', 'varbit', 'oid', 'pg_lsn', 'xid8', 'money', 'interval'];
  problem text;
BEGIN
  FOR asked IN SELECT e.key, e.value FROM jsonb_each_text(p_where) AS e LOOP
    facts := (
      SELECT c.facts FROM jsonb_array_elements(p_period.columns) AS c (facts)
       WHERE asked.key IN (SELECT c.facts ->> 'name' UNION ALL
                           SELECT f.was ->> 'name' FROM jsonb_array_elements(coalesce(c.facts -> 'former_names', '[]')) AS f (was))
       ORDER BY c.facts ->> 'name' = asked.key DESC LIMIT 1);
    IF p_is_judge AND facts IS NULL AND NOT asked.key = ANY (p_period.pk_columns) THEN
      RAISE EXCEPTION '% has no column %', p_period.table_name, asked.key USING ERRCODE = 'TW006', HINT =
        'Its columns: ' || coalesce((SELECT string_agg(c.facts ->> 'name', ', ' ORDER BY (c.facts ->> 'attnum')::int)
                                       FROM jsonb_array_elements(p_period.columns) AS c (facts)), '') || '.';
    END IF;
    SELECT array_agg(n.name), array_agg(n.since), array_agg(n.until) INTO filter.names, filter.since, filter.until
      FROM (SELECT coalesce(facts ->> 'name', asked.key) AS name, coalesce((facts ->> 'since_lsn')::pg_lsn, '0/0') AS since, NULL::pg_lsn AS until
             UNION ALL
            SELECT f.was ->> 'name', (f.was ->> 'since_lsn')::pg_lsn, (f.was ->> 'until_lsn')::pg_lsn
              FROM jsonb_array_elements(coalesce(facts -> 'former_names', '[]')) AS f (was)) AS n;
    IF p_is_judge AND filter.names[1] = ANY (p_period.excluded_columns) THEN
      RAISE EXCEPTION 'the column % of % is excluded from the history', asked.key, p_period.table_name
        USING ERRCODE = 'TW006', HINT = 'Its values are not stored. Ask for another column.';
    END IF;
    filter.name := asked.key;
    filter.is_null := asked.value IS NULL;
    filter.may_lack := filter.names && p_period.excluded_columns OR EXISTS (
      SELECT FROM pgtimewarp.virtual_columns AS w WHERE w.relation_id = p_period.relation_id AND w.column_name = ANY (filter.names));
    filter.kind := coalesce(
      p_period.pk_kinds[array_position(p_period.pk_columns, facts ->> 'name')],
      p_period.pk_kinds[array_position(p_period.pk_columns, asked.key)],
      (SELECT CASE WHEN t.typname = ANY (plain) OR t.typname = 'json' THEN t.typname
                   WHEN t.typname IN ('jsonb', 'tsvector', 'tsquery') OR t.typtype IN ('r', 'm') OR e.typname = ANY (plain) OR e.typname = 'jsonb'
                     THEN '=' || t.oid::regtype END
         FROM pg_type AS t LEFT JOIN pg_type AS e ON t.typcategory = 'A' AND e.oid = t.typelem
        WHERE t.oid = coalesce(facts ->> 'base_type_oid', facts ->> 'type_oid')::oid AND t.oid < 16384),
      CASE WHEN facts ->> 'type_name' ~ '(^|\.)citext$' THEN 'citext'
           WHEN facts ->> 'type_name' LIKE '%[]' THEN '=text[]' END); -- of a type of the source's own, as its values print
    filter.as_printed := NOT filter.is_null AND (filter.kind IS NULL OR filter.kind IN ('int2', 'int4', 'int8', 'uuid', 'text', 'varchar', 'enum', 'oid', 'name', 'char', 'bool'));
    BEGIN
      -- through the type itself, which judges the value and prints it as the source does
      filter.wanted := CASE WHEN filter.kind IS NULL OR filter.kind = 'json' THEN asked.value
                            WHEN filter.kind NOT LIKE '=%' THEN pgtimewarp.comparable_value(filter.kind, asked.value)
                            WHEN pgtimewarp.same_value(substr(filter.kind, 2), NULL, asked.value) IS NULL THEN asked.value END;
    EXCEPTION WHEN data_exception THEN
      IF NOT p_is_judge THEN
        filter.wanted := NULL; -- no row of this period has it
        filters := filters || filter;
        CONTINUE;
      END IF;
      GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
      RAISE EXCEPTION 'the column % cannot have this value: %', asked.key, problem
        USING ERRCODE = 'TW006', HINT = 'Give a value of the type of the column, as the source prints it.';
    END;
    filters := filters || filter;
  END LOOP;
  RETURN filters;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.row_filters(pgtimewarp.relation_periods, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.row_filters(pgtimewarp.relation_periods, jsonb, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
