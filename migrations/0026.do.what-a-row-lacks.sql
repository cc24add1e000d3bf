-- What a row lacks is named in every answer, and what is taken for NULL on somebody's word is said to be.
-- (docs/decisions/0022-what-a-row-lacks.md)

-- Columns of which neither the log nor a read row has values: virtual generated ones. They were there after from_* (not at
-- from_* itself), up to and including to_* (null: they are). The ends are those of the runs that noticed, never too narrow.
CREATE TABLE pgtimewarp.virtual_columns (
  relation_id int NOT NULL,
  column_name text NOT NULL,
  from_lsn    pg_lsn NOT NULL,
  from_ts     timestamptz NOT NULL,
  to_lsn      pg_lsn,
  to_ts       timestamptz,
  PRIMARY KEY (relation_id, column_name, from_lsn)
);
GRANT SELECT ON pgtimewarp.virtual_columns TO pgtimewarp_reader;
GRANT SELECT, INSERT, UPDATE ON pgtimewarp.virtual_columns TO pgtimewarp_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.virtual_columns TO pgtimewarp_admin;

INSERT INTO pgtimewarp.virtual_columns (relation_id, column_name, from_lsn, from_ts)
SELECT t.relation_id, c.facts ->> 'name', '0/0', '-infinity'
  FROM pgtimewarp.tracked_relations t
 CROSS JOIN LATERAL jsonb_array_elements(t.catalog_facts -> 'columns') AS c (facts)
 WHERE t.status <> 'untracked' AND c.facts ->> 'generated' = 'v' AND c.facts ->> 'name' <> ALL (t.excluded_columns);

ALTER TABLE pgtimewarp.tracked_relations
  -- declared: its numeric and float columns never hold NaN or Infinity
  ADD COLUMN no_nan boolean NOT NULL DEFAULT false,
  -- what was seen that says otherwise: from then on nothing is taken at its word
  ADD COLUMN no_nan_refuted text;
-- A NULL of this row was taken at its word, because of such a declaration.
ALTER TABLE pgtimewarp.row_changes ADD COLUMN nulls_assumed boolean;
ALTER TYPE pgtimewarp.key_state ADD ATTRIBUTE nulls_assumed boolean;

-- The names that a column had before, with the positions between which it had them. Of those that are known already the
-- positions are not.
UPDATE pgtimewarp.tracked_relations t
   SET columns = (
     SELECT jsonb_agg(CASE WHEN c.facts ? 'former_names' THEN
              c.facts || jsonb_build_object('former_names', (
                SELECT jsonb_agg(jsonb_build_object('name', f.name, 'since_lsn', '0/0', 'until_lsn', '0/0') ORDER BY f.place)
                  FROM jsonb_array_elements_text(c.facts -> 'former_names') WITH ORDINALITY AS f (name, place)))
            ELSE c.facts END ORDER BY c.place)
       FROM jsonb_array_elements(t.columns) WITH ORDINALITY AS c (facts, place))
 WHERE t.columns @? '$[*].former_names';
UPDATE pgtimewarp.past_relations t
   SET columns = (
     SELECT jsonb_agg(CASE WHEN c.facts ? 'former_names' THEN
              c.facts || jsonb_build_object('former_names', (
                SELECT jsonb_agg(jsonb_build_object('name', f.name, 'since_lsn', '0/0', 'until_lsn', '0/0') ORDER BY f.place)
                  FROM jsonb_array_elements_text(c.facts -> 'former_names') WITH ORDINALITY AS f (name, place)))
            ELSE c.facts END ORDER BY c.place)
       FROM jsonb_array_elements(t.columns) WITH ORDINALITY AS c (facts, place))
 WHERE t.columns @? '$[*].former_names';

-- The columns that a row lacks at an instant (an LSN, or else a time): those that the plugin lost, and virtual ones.
CREATE FUNCTION pgtimewarp.incomplete_at(p_relation_id int, p_incomplete text[], p_lsn pg_lsn, p_ts timestamptz)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT nullif(coalesce(p_incomplete, '{}') || ARRAY(
    SELECT DISTINCT v.column_name
      FROM pgtimewarp.virtual_columns v
     WHERE v.relation_id = p_relation_id AND (v.column_name = ANY (p_incomplete)) IS NOT TRUE
       AND CASE WHEN p_lsn IS NOT NULL THEN v.from_lsn < p_lsn AND (v.to_lsn IS NULL OR p_lsn <= v.to_lsn)
                ELSE v.from_ts < p_ts AND (v.to_ts IS NULL OR p_ts <= v.to_ts) END
     ORDER BY 1), '{}')
$$;

-- Made anew with more columns by 0027, as are the other functions that answer.
DROP FUNCTION pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int);

-- As before, and what each version lacks. Of a virtual column that came or went while the version was valid, too.
CREATE OR REPLACE VIEW pgtimewarp.row_versions AS
  SELECT v.node_id, v.schema_name, v.table_name, v.pk, v.op, v.row_data, v.xid, v.seq,
         v.valid_from_lsn, v.valid_to_lsn, v.valid_from_ts, v.valid_to_ts,
         CASE WHEN v.op <> 'D' THEN nullif(coalesce(v.incomplete, '{}') || ARRAY(
           SELECT DISTINCT c.column_name FROM pgtimewarp.virtual_columns c
            WHERE c.relation_id = v.relation_id AND (c.column_name = ANY (v.incomplete)) IS NOT TRUE
              AND (v.valid_to_ts IS NULL OR c.from_ts < v.valid_to_ts)
              AND (c.to_ts IS NULL OR v.valid_from_ts <= c.to_ts)
            ORDER BY 1), '{}') END AS incomplete
    FROM (
  SELECT p.relation_id, p.node_id, p.schema_name, p.table_name, r.pk, r.op, r.row_data, r.xid, r.seq, r.incomplete,
         r.valid_from_lsn,
         CASE WHEN cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq))
              THEN cut.lsn ELSE nxt.lsn END AS valid_to_lsn,
         r.valid_from_ts,
         CASE WHEN cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq))
              THEN cut.ts ELSE nxt.ts END AS valid_to_ts
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
    JOIN pgtimewarp.row_changes r ON r.relation_id = p.relation_id
    LEFT JOIN LATERAL (
         SELECT n.valid_from_lsn AS lsn, n.seq, n.valid_from_ts AS ts FROM pgtimewarp.row_changes n
          WHERE n.relation_id = r.relation_id AND n.pk = r.pk
            AND (n.valid_from_lsn, n.seq) > (r.valid_from_lsn, r.seq)
          ORDER BY n.valid_from_lsn, n.seq LIMIT 1) nxt ON true
    LEFT JOIN LATERAL (
         SELECT e.lsn, e.seq, e.ts FROM pgtimewarp.relation_events e
          WHERE e.relation_id = r.relation_id AND e.op = 'T' AND r.op <> 'D'
            AND (e.lsn, e.seq) > (r.valid_from_lsn, CASE WHEN r.op <> 'S' THEN r.seq ELSE 2147483647 END)
            AND (e.leaf_id IS NULL OR e.leaf_id = r.leaf_id)
          ORDER BY e.lsn, e.seq LIMIT 1) cut ON true
   WHERE r.op <> 'S'
      OR (nxt.lsn IS NULL OR nxt.lsn > r.read_lsn)
         AND r.read_lsn <= CASE WHEN p.tracked_to_lsn IS NULL AND p.lsn_space = c.lsn_space
                                THEN c.applied_lsn ELSE p.tracked_to_lsn END) v;

-- As before, with what NULLs rest on.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_build(p_relation_id integer, p_rows integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  last_pk text COLLATE "C";
BEGIN
  SELECT * INTO r FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state <> 'attached' FOR UPDATE;
  IF NOT FOUND OR r.state = 'built' THEN
    RETURN true;
  END IF;
  EXECUTE format(
    'SELECT c.pk FROM pgtimewarp.row_changes c WHERE c.relation_id = %s AND c.valid_from_lsn < %L AND c.pk > %L
      ORDER BY c.pk OFFSET %s LIMIT 1', p_relation_id, r.to_lsn, r.built_to_pk, p_rows) INTO last_pk;
  EXECUTE format(
    'INSERT INTO pgtimewarp.%I (valid_from_lsn, valid_from_ts, xid, read_lsn, relation_id, seq, leaf_id, op, pk, row_data,
            incomplete, json_nulls, nulls_assumed)
     SELECT v.valid_from_lsn, v.valid_from_ts, v.xid, v.read_lsn, v.relation_id, v.seq, v.leaf_id, v.op, v.pk, v.row_data,
            v.incomplete, v.json_nulls, v.nulls_assumed
       FROM (SELECT DISTINCT ON (c.pk) c.valid_from_lsn, c.valid_from_ts, c.xid, c.read_lsn, c.relation_id, c.seq,
                    c.leaf_id, c.op, c.pk, c.row_data, c.incomplete, c.json_nulls, c.nulls_assumed
               FROM pgtimewarp.row_changes c
              WHERE c.relation_id = %s AND c.valid_from_lsn < %L AND c.pk > %L %s
              ORDER BY c.pk, c.valid_from_lsn DESC, c.seq DESC) v
      WHERE %L OR v.op <> ''D'' AND NOT EXISTS (
            SELECT FROM pgtimewarp.relation_events e
             WHERE e.relation_id = %s AND e.op = ''T'' AND e.lsn < %L
               AND (e.lsn, e.seq) > (v.valid_from_lsn, CASE WHEN v.op <> ''S'' THEN v.seq ELSE 2147483647 END)
               AND (e.leaf_id IS NULL OR e.leaf_id = v.leaf_id))
      ORDER BY v.pk',
    r.table_name, p_relation_id, r.to_lsn, r.built_to_pk,
    CASE WHEN last_pk IS NOT NULL THEN format('AND c.pk <= %L', last_pk) END,
    r.keeps_deletions, p_relation_id, r.to_lsn);
  UPDATE pgtimewarp.relation_ranges
     SET built_to_pk = coalesce(last_pk, built_to_pk), state = CASE WHEN last_pk IS NULL THEN 'built' ELSE state END,
         built_xid = CASE WHEN last_pk IS NULL THEN pg_current_xact_id() END
   WHERE relation_id = p_relation_id AND table_name = r.table_name;
  RETURN last_pk IS NULL;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.incomplete_at(int, text[], pg_lsn, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.incomplete_at(int, text[], pg_lsn, timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
