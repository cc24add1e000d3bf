-- The schema that all migrations together make. Written by `npm run schema:dump`; not for running.

CREATE SCHEMA pgtimewarp;

CREATE TYPE pgtimewarp.found_version AS (
	relation_id integer,
	pk text COLLATE pg_catalog."C",
	lsn pg_lsn,
	seq integer,
	ts timestamp with time zone,
	xid bigint,
	to_lsn pg_lsn,
	to_ts timestamp with time zone,
	to_xid bigint,
	row_data json,
	incomplete text[],
	assumes text
);

COMMENT ON TYPE pgtimewarp.found_version IS 'A version of a row that has the values that were asked for, and what ended it: see find_rows().';

CREATE TYPE pgtimewarp.history_change AS (
	relation_id integer,
	lsn pg_lsn,
	seq integer,
	pk text COLLATE pg_catalog."C",
	op text,
	ts timestamp with time zone,
	xid bigint,
	before json,
	after json,
	changed json,
	context json,
	incomplete text[],
	assumes text
);

COMMENT ON TYPE pgtimewarp.history_change IS 'What a commit did to a row: see table_changes().';

CREATE TABLE pgtimewarp.past_relations (
    relation_id integer NOT NULL,
    node_id text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    lsn_space integer NOT NULL,
    pk_columns text[] NOT NULL,
    pk_kinds text[] NOT NULL,
    columns jsonb NOT NULL,
    tracked_from_lsn pg_lsn,
    tracked_from_ts timestamp with time zone,
    tracked_to_lsn pg_lsn NOT NULL,
    tracked_to_ts timestamp with time zone NOT NULL,
    baseline_state text NOT NULL,
    baseline_lsn pg_lsn,
    unseen_unknown_before_lsn pg_lsn,
    unseen_unknown_before_ts timestamp with time zone,
    excluded_columns text[] NOT NULL,
    catalog_facts jsonb
);

COMMENT ON TABLE pgtimewarp.past_relations IS 'Earlier periods of tables that were tracked again. Their history stays readable under its own relation_id. Columns as in tracked_relations.';

CREATE SEQUENCE pgtimewarp.relation_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE pgtimewarp.tracked_relations (
    node_id text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    relation_id integer DEFAULT nextval('pgtimewarp.relation_id_seq'::regclass) NOT NULL,
    lsn_space integer DEFAULT 1 NOT NULL,
    relid oid,
    pk_columns text[] NOT NULL,
    pk_kinds text[] NOT NULL,
    columns jsonb DEFAULT '[]'::jsonb NOT NULL,
    persistence "char" DEFAULT 'p'::"char" NOT NULL,
    replica_identity "char" DEFAULT 'd'::"char" NOT NULL,
    is_partitioned boolean DEFAULT false NOT NULL,
    tracked_from_lsn pg_lsn,
    tracked_from_ts timestamp with time zone,
    tracked_to_lsn pg_lsn,
    tracked_to_ts timestamp with time zone,
    baseline_state text DEFAULT 'pending'::text NOT NULL,
    baseline_progress jsonb DEFAULT '{}'::jsonb NOT NULL,
    baseline_lsn pg_lsn,
    unseen_unknown_before_lsn pg_lsn,
    unseen_unknown_before_ts timestamp with time zone,
    start_conditions jsonb,
    retention interval,
    excluded_columns text[] DEFAULT '{}'::text[] NOT NULL,
    status text DEFAULT 'starting'::text NOT NULL,
    status_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    catalog_facts jsonb,
    repair jsonb,
    follows_relation_id integer,
    no_nan boolean DEFAULT false NOT NULL,
    no_nan_refuted text,
    CONSTRAINT tracked_relations_baseline_state_check CHECK ((baseline_state = ANY (ARRAY['none'::text, 'pending'::text, 'done'::text]))),
    CONSTRAINT tracked_relations_check CHECK ((cardinality(pk_kinds) = cardinality(pk_columns))),
    CONSTRAINT tracked_relations_pk_columns_check CHECK ((cardinality(pk_columns) > 0)),
    CONSTRAINT tracked_relations_status_check CHECK ((status = ANY (ARRAY['starting'::text, 'active'::text, 'needs_rebaseline'::text, 'untracked'::text])))
);

COMMENT ON TABLE pgtimewarp.tracked_relations IS 'Every table in its latest period of tracking, with its state. A table is found by name, never by OID.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.schema_name IS 'The schema of the table.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.table_name IS 'The name under which the table is tracked.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.relation_id IS 'The period of tracking. A table that is tracked again gets a new one.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.lsn_space IS 'The LSN space of the positions of this period.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.relid IS 'OID of the table on the source, as of the last run.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.pk_columns IS 'The columns of the key, in the order of the key.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.pk_kinds IS 'For each column of the key, how its text becomes canonical (core/types/key.ts, canonical_key()).';

COMMENT ON COLUMN pgtimewarp.tracked_relations.columns IS '[{attnum, name, type_oid, type_name, since_lsn, typed_since_lsn, former_names: [{name, since_lsn, until_lsn}]}], as of the last run.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.persistence IS 'As pg_class.relpersistence, as of the last run.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.replica_identity IS 'As pg_class.relreplident, as of the last run.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.is_partitioned IS 'Whether it is a partitioned table.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_from_lsn IS 'History is complete from here on. Null while the start waits for transactions that already touched the table.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_from_ts IS 'The time of tracked_from_lsn.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_to_lsn IS 'Where tracking ended (untrack); null while the table is tracked.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_to_ts IS 'The time of tracked_to_lsn.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_state IS 'none: tracked without a baseline | pending: rows are being read | done: every key is decided.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_progress IS '{cursor: key of the last row read, rows, estimated_rows, read_done}.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_lsn IS 'A position that was read after the last statement of the baseline. Its rows are decided when the horizon has passed it.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.unseen_unknown_before_lsn IS 'The position of a TRUNCATE during the baseline. Before it, keys without a baseline row or a change are unknown.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.unseen_unknown_before_ts IS 'The time of unseen_unknown_before_lsn.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.start_conditions IS 'While starting: {lockers: transactions that the start waits for, start_after_lsn}.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.retention IS 'How long history is kept; null: for ever.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.excluded_columns IS 'Columns that are never stored.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.status IS 'starting | active | needs_rebaseline: a gap is open | untracked: not tracked any more, history kept.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.status_reason IS 'The reason for the open gap, for people.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.created_at IS 'When track was called.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.updated_at IS 'When the row was last changed.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.catalog_facts IS 'The catalog of the table at the last run; the next run compares it (core/types/catalog-facts.ts). Null: not read yet.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.repair IS 'While a repair is requested or under way: {base_lsn, base_ts, phase, cursor, rows, differences, read_lsn, end_lsn}.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.follows_relation_id IS 'The period of the same table before a gap of the node. Keys that existed then and are gone now get a deletion at the end of the gap.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.no_nan IS 'Declared by track --no-nan: numeric and float columns never hold NaN or infinity.';

COMMENT ON COLUMN pgtimewarp.tracked_relations.no_nan_refuted IS 'What contradicted no_nan. From then on a null may again be NaN or infinity.';

CREATE VIEW pgtimewarp.relation_periods AS
 SELECT tracked_relations.relation_id,
    tracked_relations.node_id,
    tracked_relations.schema_name,
    tracked_relations.table_name,
    tracked_relations.lsn_space,
    tracked_relations.pk_columns,
    tracked_relations.pk_kinds,
    tracked_relations.columns,
    tracked_relations.tracked_from_lsn,
    tracked_relations.tracked_from_ts,
    tracked_relations.tracked_to_lsn,
    tracked_relations.tracked_to_ts,
    tracked_relations.baseline_state,
    tracked_relations.baseline_lsn,
    tracked_relations.unseen_unknown_before_lsn,
    tracked_relations.unseen_unknown_before_ts,
    tracked_relations.excluded_columns
   FROM pgtimewarp.tracked_relations
UNION ALL
 SELECT past_relations.relation_id,
    past_relations.node_id,
    past_relations.schema_name,
    past_relations.table_name,
    past_relations.lsn_space,
    past_relations.pk_columns,
    past_relations.pk_kinds,
    past_relations.columns,
    past_relations.tracked_from_lsn,
    past_relations.tracked_from_ts,
    past_relations.tracked_to_lsn,
    past_relations.tracked_to_ts,
    past_relations.baseline_state,
    past_relations.baseline_lsn,
    past_relations.unseen_unknown_before_lsn,
    past_relations.unseen_unknown_before_ts,
    past_relations.excluded_columns
   FROM pgtimewarp.past_relations;

COMMENT ON VIEW pgtimewarp.relation_periods IS 'All periods of tracking, including the present ones. It is in a migration because functions take its rows.';

CREATE TYPE pgtimewarp.history_position AS (
	period pgtimewarp.relation_periods,
	has_begun boolean,
	is_open boolean,
	through pg_lsn,
	asked_ts timestamp with time zone,
	asked_lsn pg_lsn,
	lsn_space integer,
	lsn pg_lsn,
	reason text,
	final boolean,
	horizon_lsn pg_lsn,
	horizon_ts timestamp with time zone,
	expired_before_lsn pg_lsn,
	expired_before_ts timestamp with time zone,
	archived_before_lsn pg_lsn
);

COMMENT ON TYPE pgtimewarp.history_position IS 'An instant in the history of a table: see position_at().';

CREATE TYPE pgtimewarp.hole AS (
	span tstzrange,
	reason text
);

COMMENT ON TYPE pgtimewarp.hole IS 'An interval in which changes may be missing, and the reason.';

CREATE TYPE pgtimewarp.key_state AS (
	status text,
	reason text,
	settled boolean,
	op "char",
	leaf_id integer,
	row_data json,
	incomplete text[],
	json_nulls text[],
	from_lsn pg_lsn,
	from_seq integer,
	from_ts timestamp with time zone,
	from_xid bigint,
	to_lsn pg_lsn,
	to_ts timestamp with time zone,
	to_xid bigint,
	nulls_assumed boolean
);

COMMENT ON TYPE pgtimewarp.key_state IS 'A key at one position. from_*: the change that made the version or the absence. to_*: the change that ends it, or the end of the unknown interval; NULL: none yet. settled: false if later runs may change the answer.';

CREATE TYPE pgtimewarp.plain_facts AS (
	relation_id integer,
	lsn_space integer,
	pk_columns text[],
	pk_kinds text[],
	applied_lsn pg_lsn,
	applied_ts timestamp with time zone,
	start_lsn pg_lsn,
	from_lsn pg_lsn,
	from_ts timestamp with time zone,
	to_lsn pg_lsn,
	to_ts timestamp with time zone,
	truncated_lsn pg_lsn,
	table_members text,
	key_member text,
	horizon_member text
);

COMMENT ON TYPE pgtimewarp.plain_facts IS 'Facts about a table and its node for plain questions: the present period, and the instants that certainly lie in it.';

CREATE DOMAIN pgtimewarp.question AS text
	CONSTRAINT question_check CHECK ((set_config('pgtimewarp.question'::text, VALUE, true) IS NOT NULL));

COMMENT ON DOMAIN pgtimewarp.question IS 'A question as JSON. The CHECK puts it into a setting, from which asof_answers reads it.';

CREATE TYPE pgtimewarp.row_at AS (
	pk text COLLATE pg_catalog."C",
	is_there boolean,
	op "char",
	valid_from_lsn pg_lsn,
	seq integer,
	valid_from_ts timestamp with time zone,
	xid bigint,
	read_lsn pg_lsn,
	leaf_id integer,
	row_data json,
	incomplete text[],
	json_nulls text[],
	nulls_assumed boolean
);

COMMENT ON TYPE pgtimewarp.row_at IS 'The last version of a key as of a position, and whether the row was there: see rows_at().';

CREATE TYPE pgtimewarp.row_filter AS (
	name text,
	names text[],
	since pg_lsn[],
	until pg_lsn[],
	kind text,
	as_printed boolean,
	wanted text,
	is_null boolean,
	may_lack boolean
);

COMMENT ON TYPE pgtimewarp.row_filter IS 'A value that a column must have. names: all that the column has had, each after the position since and up to until (null: so far); kind: how values of its type are compared, as comparable_value() does or, after =, by the operator of a type; as_printed: equal ones print equally; wanted: the value, comparable; is_null: NULL is asked for; may_lack: rows need not hold the column: see row_filters().';

CREATE TYPE pgtimewarp.row_naming AS (
	kind text,
	names text[],
	places integer[],
	incomplete text[]
);

COMMENT ON TYPE pgtimewarp.row_naming IS 'How the rows of one kind get the present names of the columns: the names, as JSON strings, each with the place of its member in the row: see row_naming().';

CREATE TYPE pgtimewarp.sort_place AS (
	number numeric,
	text text COLLATE pg_catalog."C"
);

COMMENT ON TYPE pgtimewarp.sort_place IS 'The place of a value in an order; both members are NULL for NULL: see sort_place().';

CREATE TYPE pgtimewarp.row_place AS (
	is_placed boolean,
	places pgtimewarp.sort_place[],
	pk text COLLATE pg_catalog."C"
);

COMMENT ON TYPE pgtimewarp.row_place IS 'The place of a row in the order of some columns, then of keys: see place_of_row().';

CREATE FUNCTION pgtimewarp.answer_asof() RETURNS TABLE(question pgtimewarp.question[], answer json)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
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

CREATE FUNCTION pgtimewarp.answer_changes() RETURNS TABLE(question pgtimewarp.question[], place bigint, frame json, schema_name text, table_name text, pk json, op text, lsn pg_lsn, ts timestamp with time zone, xid bigint, context json, before json, after json, changed json, incomplete text[], assumes text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  from_ts timestamptz := q ->> 'from';
  from_lsn pg_lsn := q ->> 'from_lsn';
  to_ts timestamptz := q ->> 'to';
  to_lsn pg_lsn := q ->> 'to_lsn';
  most int := coalesce((q ->> 'limit')::int, 2147483647);
  t record;
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  question := ARRAY[asked];
  place := 0;
  IF q ? 'transaction' THEN
    FOR t IN
      SELECT n.lsn_space, n.lsn, n.ts
        FROM pgtimewarp.node_transactions(
               node, NULL, NULL, NULL, NULL, jsonb_strip_nulls(jsonb_build_object('lsn', q -> 'transaction', 'only', q -> 'only')),
               NULL, NULL, NULL, 1000) AS n
    LOOP
      frame := (SELECT pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts)
                  FROM pgtimewarp.node_frame(node, NULL, NULL, t.ts, NULL, t.ts, NULL, q -> 'only') AS f);
      RETURN NEXT;
      RETURN QUERY
        SELECT question, place + c.ordinality, NULL::json, p.schema_name, p.table_name, pgtimewarp.json_key(p.pk_columns, c.pk)::json,
               c.op, c.lsn, c.ts, c.xid, c.context, c.before, c.after, c.changed, c.incomplete, c.assumes
          FROM pgtimewarp.transaction_changes(
                 node, t.lsn_space, t.lsn, NULL, NULL, NULL, 2147483647, 9223372036854775807, q -> 'only') WITH ORDINALITY AS c
          JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
      place := place + 4294967296;
    END LOOP;
    IF place = 0 THEN
      frame := (SELECT pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts)
                  FROM pgtimewarp.node_frame(node, NULL, NULL, NULL, (q ->> 'transaction')::pg_lsn, NULL, (q ->> 'transaction')::pg_lsn,
                                             q -> 'only') AS f);
      RETURN NEXT;
    END IF;
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(node, q ->> 'schema', q ->> 'table', (q ->> 'relid')::oid);
  RETURN QUERY
    SELECT question, 0::bigint, pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts),
           NULL::text, NULL::text, NULL::json, NULL::text, NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::json, NULL::json,
           NULL::json, NULL::json, NULL::text[], NULL::text
      FROM pgtimewarp.table_frame(node, q ->> 'schema', q ->> 'table', from_ts, from_lsn, to_ts, to_lsn) AS f;
  IF (q ->> 'net')::boolean THEN
    RETURN QUERY
      SELECT question, c.ordinality, NULL::json, q ->> 'schema', q ->> 'table', pgtimewarp.json_key(p.pk_columns, c.pk)::json,
             c.op, c.lsn, c.ts, c.xid, c.context, c.before, c.after, c.changed, c.incomplete, c.assumes
        FROM pgtimewarp.net_changes(node, q ->> 'schema', q ->> 'table', from_ts, from_lsn, to_ts, to_lsn, q -> 'filter', NULL,
                                    most, 9223372036854775807) WITH ORDINALITY AS c
        JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
  ELSE
    RETURN QUERY
      SELECT question, c.ordinality, NULL::json, q ->> 'schema', q ->> 'table', pgtimewarp.json_key(p.pk_columns, c.pk)::json,
             c.op, c.lsn, c.ts, c.xid, c.context, c.before, c.after, c.changed, c.incomplete, c.assumes
        FROM pgtimewarp.table_changes(node, q ->> 'schema', q ->> 'table', from_ts, from_lsn, to_ts, to_lsn, q -> 'filter',
                                      NULL, NULL, NULL, NULL, most, 9223372036854775807) WITH ORDINALITY AS c
        JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.answer_diff() RETURNS TABLE(question pgtimewarp.question[], place bigint, frame json, op text, valid_from_ts timestamp with time zone, valid_from_lsn pg_lsn, xid bigint, row_data json, changed json, context json)
    LANGUAGE plpgsql STABLE ROWS 20
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  schema_name text := q ->> 'schema';
  table_name text := q ->> 'table';
  pk jsonb := q -> 'pk';
  from_ts timestamptz := q ->> 'from';
  to_ts timestamptz := q ->> 'to';
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(node, schema_name, table_name, (q ->> 'relid')::oid);
  question := ARRAY[asked];
  RETURN QUERY
    WITH c AS MATERIALIZED (
      SELECT d.*, row_number() OVER () AS place
        FROM pgtimewarp.diff_changes(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL, NULL, NULL, NULL, NULL) d)
    SELECT question, 0::bigint,
           json_build_object('unknown', f.unknown, 'final', f.final,
                             'horizon', pgtimewarp.json_instant(f.horizon_ts)::json,
                             'incomplete', ARRAY(SELECT DISTINCT unnest(c.incomplete) FROM c ORDER BY 1)),
           NULL::text, NULL::timestamptz, NULL::pg_lsn, NULL::bigint, NULL::json, NULL::json, NULL::json
      FROM pgtimewarp.diff_frame(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL) f
     UNION ALL
    SELECT question, c.place, NULL, c.op, c.ts, c.lsn, c.xid, c.row_data, c.changed, c.context FROM c;
END $$;

CREATE FUNCTION pgtimewarp.answer_find() RETURNS TABLE(question pgtimewarp.question[], place bigint, frame json, pk json, valid_from_lsn pg_lsn, valid_from_ts timestamp with time zone, valid_from_xid bigint, valid_to_lsn pg_lsn, valid_to_ts timestamp with time zone, valid_to_xid bigint, row_data json, incomplete text[], assumes text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  schema_name text := q ->> 'schema';
  table_name text := q ->> 'table';
  from_ts timestamptz := q ->> 'from';
  from_lsn pg_lsn := q ->> 'from_lsn';
  to_ts timestamptz := q ->> 'to';
  to_lsn pg_lsn := q ->> 'to_lsn';
  is_instant boolean := (q ->> 'instant')::boolean;
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(node, schema_name, table_name, (q ->> 'relid')::oid);
  question := ARRAY[asked];
  IF is_instant AND from_ts IS NULL AND from_lsn IS NULL THEN
    from_ts := (SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = node);
    to_ts := from_ts;
  END IF;
  RETURN QUERY
    SELECT question, 0::bigint, pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts),
           NULL::json, NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::json,
           NULL::text[], NULL::text
      FROM pgtimewarp.table_frame(node, schema_name, table_name, from_ts, from_lsn, to_ts, to_lsn) AS f
     UNION ALL
    SELECT question, c.ordinality, NULL, pgtimewarp.json_key(p.pk_columns, c.pk)::json, c.lsn, c.ts, c.xid, c.to_lsn, c.to_ts, c.to_xid,
           c.row_data, c.incomplete, c.assumes
      FROM pgtimewarp.find_rows(node, schema_name, table_name, from_ts, from_lsn, to_ts, to_lsn, is_instant, q -> 'where',
                                NULL, NULL, NULL, NULL, coalesce((q ->> 'limit')::int, 2147483647), 9223372036854775807)
             WITH ORDINALITY AS c
      JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
END $$;

CREATE FUNCTION pgtimewarp.answer_past() RETURNS TABLE(question pgtimewarp.question[], frame json, pk json, row_data json, json_nulls text[], is_computed boolean)
    LANGUAGE plpgsql STABLE ROWS 10000
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  schema_name text := q ->> 'schema';
  table_name text := q ->> 'table';
  at pgtimewarp.history_position;
  period pgtimewarp.relation_periods;
  why text;
  hidden text;
  careful boolean;
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(q ->> 'node', schema_name, table_name, (q ->> 'relid')::oid);
  at := pgtimewarp.position_at(q ->> 'node', schema_name, table_name, (q ->> 'ts')::timestamptz, (q ->> 'lsn')::pg_lsn);
  period := at.period;
  IF at.reason IS NOT NULL THEN
    PERFORM pgtimewarp.raise_rows_unknown(at.reason, schema_name, table_name, 'the rows');
  ELSIF NOT at.final THEN
    -- only final answers keep their position for ever
    RAISE EXCEPTION 'the rows as of then are not final yet: the store is complete up to % (%)',
        coalesce(at.horizon_ts::text, 'no instant'), coalesce(at.horizon_lsn::text, 'no position')
      USING ERRCODE = 'TW017', HINT = 'Ask again after the next run, or about an instant up to pgtimewarp_horizon().';
  END IF;
  SELECT string_agg(quote_ident(w.value), ', ') INTO hidden
    FROM jsonb_each_text(q -> 'columns') AS w WHERE w.value = ANY (period.excluded_columns);
  IF hidden IS NOT NULL AND NOT q ? 'facts' THEN
    RAISE EXCEPTION 'the history of %.% does not hold the columns %', quote_ident(schema_name), quote_ident(table_name), hidden
      USING ERRCODE = 'TW019', HINT = 'Renew the view with `pgtimewarp extension views`.';
  END IF;

  why := pgtimewarp.past_not_live(at, q);
  question := ARRAY[asked];
  frame := json_build_object(
    'live', why IS NULL, 'why', why, 'node', period.node_id, 'slot', (SELECT n.slot_name FROM pgtimewarp.nodes n WHERE n.node_id = period.node_id),
    'lsn', at.lsn, 'keys', period.pk_columns, 'excluded', period.excluded_columns,
    'virtual', coalesce(pgtimewarp.incomplete_at(period.relation_id, NULL, at.asked_lsn, at.asked_ts), '{}'),
    'added', ARRAY(
      SELECT c.facts ->> 'name' FROM jsonb_array_elements(period.columns) AS c (facts)
       WHERE (c.facts ->> 'since_lsn')::pg_lsn > at.lsn AND NOT c.facts ? 'former_names'
         AND NOT c.facts ->> 'name' = ANY (period.excluded_columns) ORDER BY 1),
    'gone', ARRAY(
      SELECT c.facts ->> 'name'
        FROM pgtimewarp.tracked_relations AS t, jsonb_array_elements(coalesce(t.catalog_facts -> 'formerColumns', '[]')) AS c (facts)
       WHERE t.relation_id = period.relation_id AND NOT EXISTS (
               SELECT FROM jsonb_array_elements(period.columns) AS p (facts) WHERE p.facts -> 'attnum' = c.facts -> 'attnum')
       ORDER BY 1));
  RETURN NEXT;
  IF q ? 'facts' THEN
    RETURN;
  END IF;
  IF why IS NOT NULL AND (period.baseline_state <> 'done' OR at.lsn < period.unseen_unknown_before_lsn) THEN
    -- without the live rows their number is not known
    PERFORM pgtimewarp.raise_rows_unknown(
      CASE WHEN period.baseline_state = 'pending' AND at.is_open THEN 'baseline_pending' ELSE 'before_tracking' END,
      schema_name, table_name, 'not all rows are in the history, so those');
  END IF;
  frame := NULL;
  careful := coalesce((q ->> 'careful')::boolean, false) OR EXISTS (
    SELECT FROM jsonb_each_text(q -> 'types') AS w
      JOIN jsonb_array_elements(period.columns) AS c (facts) ON c.facts ->> 'attnum' = w.key
     WHERE (c.facts ->> 'type_oid') || ' ' || (c.facts ->> 'type_name') <> w.value
        OR (c.facts ->> 'typed_since_lsn')::pg_lsn >= at.lsn);
  RETURN QUERY
    SELECT question, CASE WHEN r.pk IS NULL THEN json_build_object('unread', r.unread, 'lacking', r.lacking) END,
           CASE WHEN why IS NULL THEN r.pk::json END, r.row_data,
           CASE WHEN careful THEN coalesce(r.json_nulls, '{}') ELSE r.json_nulls END, r.is_computed
      FROM pgtimewarp.past_rows(at, q, why IS NULL) AS r;
END $$;

CREATE FUNCTION pgtimewarp.answer_transactions() RETURNS TABLE(question pgtimewarp.question[], place bigint, frame json, lsn pg_lsn, ts timestamp with time zone, xid bigint, context json, tables json, rows bigint)
    LANGUAGE plpgsql STABLE ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  filter jsonb := q -> 'filter';
  from_ts timestamptz := q ->> 'from';
  from_lsn pg_lsn := q ->> 'from_lsn';
  to_ts timestamptz := q ->> 'to';
  to_lsn pg_lsn := q ->> 'to_lsn';
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  question := ARRAY[asked];
  IF filter ? 'table' THEN
    PERFORM pgtimewarp.refuse_other_table(node, filter ->> 'schema', filter ->> 'table', (q ->> 'relid')::oid);
  END IF;
  RETURN QUERY
    SELECT question, 0::bigint, pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts),
           NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::json, NULL::json, NULL::bigint
      FROM pgtimewarp.node_frame(
             node, filter ->> 'schema', filter ->> 'table', from_ts, from_lsn, to_ts, to_lsn, filter -> 'only') AS f
     UNION ALL
    SELECT question, t.ordinality, NULL, t.lsn, t.ts, t.xid, t.context, t.tables, t.rows
      FROM pgtimewarp.node_transactions(
             node, from_ts, from_lsn, to_ts, to_lsn, filter, NULL, NULL, NULL, coalesce((q ->> 'limit')::int, 2147483647))
             WITH ORDINALITY AS t;
END $$;

CREATE FUNCTION pgtimewarp.archive_advance(p_relation_id integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  p pgtimewarp.relation_periods;
  verified pg_lsn := pgtimewarp.archive_verified_to(p_relation_id);
  upto pg_lsn;
  further pg_lsn;
  has_changes boolean;
  meanwhile record;
BEGIN
  SELECT q.* INTO p
    FROM pgtimewarp.relation_periods AS q
    JOIN pgtimewarp.archive_settings AS s
      ON s.node_id = q.node_id AND s.schema_name = q.schema_name AND s.table_name = q.table_name AND s.is_on AND s.drops
    JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = q.relation_id AND t.repair IS NULL
   WHERE q.relation_id = p_relation_id AND q.baseline_state <> 'pending';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  SELECT max(g.to_lsn) FILTER (WHERE g.to_lsn <= verified), min(g.to_lsn) FILTER (WHERE g.to_lsn > verified) INTO upto, further
    FROM pgtimewarp.relation_ranges AS g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND NOT g.is_base
     AND g.to_lsn <= (SELECT c.applied_lsn + 1 FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = p.node_id);
  IF further IS NOT NULL THEN
    EXECUTE format(
      'SELECT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                       WHERE c.relation_id = %1$s AND c.valid_from_lsn >= $1 AND c.valid_from_lsn < $2)
           OR EXISTS (SELECT FROM pgtimewarp.relation_events AS e WHERE e.relation_id = %1$s AND e.lsn >= $1 AND e.lsn < $2)',
      p_relation_id) INTO has_changes USING verified, further;
    upto := CASE WHEN has_changes THEN upto ELSE further END;
  END IF;
  IF upto IS NULL THEN
    RETURN false;
  END IF;
  IF NOT EXISTS (SELECT FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = p_relation_id) THEN
    EXECUTE format(
      'SELECT count(*) > 0 AS has_changed, array_agg(r.valid_from_lsn ORDER BY r.valid_from_lsn) FILTER (
                WHERE NOT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                                   WHERE c.relation_id = %1$s AND c.pk = r.pk
                                     AND (c.valid_from_lsn, c.seq) < (r.valid_from_lsn, r.seq))) AS unread_lsns
         FROM pgtimewarp.row_changes AS r
        WHERE r.relation_id = %1$s AND r.valid_from_lsn > $1 AND r.valid_from_lsn <= $2 AND r.op IN (''U'', ''D'')', p_relation_id)
      INTO meanwhile USING p.tracked_from_lsn, p.baseline_lsn;
  ELSE
    SELECT a.has_changed, a.unread_lsns INTO meanwhile FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = p_relation_id;
  END IF;
  INSERT INTO pgtimewarp.archive_cutoffs AS a (relation_id, before_lsn, before_ts, upto_lsn, cutoff_xid, has_changed, unread_lsns)
  SELECT p_relation_id, least(verified, upto), greatest(m.ts, p.tracked_from_ts), upto, pg_current_xact_id(),
         meanwhile.has_changed, coalesce(meanwhile.unread_lsns, '{}')
    FROM pgtimewarp.commit_at_lsn(p.node_id, p.lsn_space, least(verified, upto) - 1) AS m
  ON CONFLICT ON CONSTRAINT archive_cutoffs_pkey DO UPDATE -- moved before
     SET before_lsn = excluded.before_lsn, before_ts = greatest(a.before_ts, excluded.before_ts), upto_lsn = excluded.upto_lsn,
         cutoff_xid = excluded.cutoff_xid
   WHERE a.before_lsn <= excluded.before_lsn AND a.upto_lsn < excluded.upto_lsn;
  RETURN FOUND;
END $_$;

CREATE FUNCTION pgtimewarp.archive_verified_to(p_relation_id integer) RETURNS pg_lsn
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT max(u.to_lsn)
    FROM (SELECT a.to_lsn, bool_and(a.state = 'verified') OVER w AND bool_and(a.from_lsn = a.former_lsn) OVER w AS is_whole
            FROM (SELECT b.unit, b.state, b.from_lsn, b.to_lsn, coalesce(lag(b.to_lsn) OVER (ORDER BY b.unit), '0/0') AS former_lsn
                    FROM pgtimewarp.archive_units AS b WHERE b.relation_id = p_relation_id) AS a
          WINDOW w AS (ORDER BY a.unit)) AS u
   WHERE u.is_whole
$$;

CREATE FUNCTION pgtimewarp.archived_before(p_period pgtimewarp.relation_periods, p_lsn pg_lsn) RETURNS pg_lsn
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT a.before_lsn
    FROM pgtimewarp.archive_cutoffs AS a
   WHERE a.relation_id = p_period.relation_id AND p_lsn + 1 < a.before_lsn
     AND (EXISTS (SELECT FROM pgtimewarp.lsn_time_map AS m
                   WHERE m.node_id = p_period.node_id AND m.lsn_space = p_period.lsn_space
                     AND m.lsn > p_lsn AND m.lsn < a.before_lsn)
          OR p_period.tracked_from_lsn > p_lsn
          OR EXISTS (SELECT FROM pgtimewarp.history_gaps AS g
                      WHERE g.node_id = p_period.node_id AND (g.relation_id IS NULL OR g.relation_id = p_period.relation_id)
                        AND g.lsn_space = p_period.lsn_space AND g.to_lsn > p_lsn AND g.to_lsn < a.before_lsn))
$$;

CREATE FUNCTION pgtimewarp.archived_changes(p_relation_id integer, p_part json) RETURNS TABLE(valid_from_lsn pg_lsn, valid_from_ts timestamp with time zone, xid bigint, read_lsn pg_lsn, relation_id integer, seq integer, leaf_id integer, op "char", pk text, row_data json, incomplete text[], json_nulls text[], nulls_assumed boolean)
    LANGUAGE sql STABLE ROWS 10
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT '0/0'::pg_lsn + r.valid_from_lsn, 'epoch'::timestamptz + r.valid_from_ts * interval '1 microsecond', r.xid,
         '0/0'::pg_lsn + r.read_lsn, p_relation_id, r.seq, r.leaf_id, r.op::"char", r.pk, r.row_data::json,
         CASE WHEN r.incomplete IS NOT NULL THEN ARRAY(
           SELECT e.name FROM json_array_elements_text(r.incomplete::json) WITH ORDINALITY AS e (name, place) ORDER BY e.place) END,
         CASE WHEN r.json_nulls IS NOT NULL THEN ARRAY(
           SELECT e.name FROM json_array_elements_text(r.json_nulls::json) WITH ORDINALITY AS e (name, place) ORDER BY e.place) END,
         r.nulls_assumed
    FROM json_to_recordset(p_part -> 'rows') AS r (
           pk text, valid_from_lsn numeric, seq int, op text, valid_from_ts bigint, xid bigint, leaf_id int, read_lsn numeric, row_data text,
           incomplete text, json_nulls text, nulls_assumed boolean)
$$;

CREATE FUNCTION pgtimewarp.archived_part(p_archived json, p_period pgtimewarp.relation_periods, p_before pg_lsn, p_from pg_lsn, p_to pg_lsn, p_kind text DEFAULT 'keys'::text, p_after text DEFAULT NULL::text) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  part json;
BEGIN
  IF p_before IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT a.part INTO part
    FROM json_array_elements(coalesce(p_archived, '[]')) AS a (part)
   WHERE (a.part ->> 'relation_id')::int = p_period.relation_id AND (a.part ->> 'before')::pg_lsn = p_before
     AND (a.part ->> 'from')::pg_lsn <= p_from AND (a.part ->> 'to')::pg_lsn >= least(p_to, p_before)
     AND a.part ->> 'kind' = p_kind AND (p_after IS NULL OR coalesce(a.part -> 'keys' ->> 'after', '') <= p_after COLLATE "C")
   LIMIT 1;
  IF part IS NULL THEN
    RAISE EXCEPTION 'the history of %.% before % is in the archive', quote_ident(p_period.schema_name), quote_ident(p_period.table_name), p_before
      USING ERRCODE = 'TW007',
            DETAIL = json_build_object('kind', p_kind, 'relation_id', p_period.relation_id, 'before', p_before, 'from', p_from,
                                        'to', least(p_to, p_before)),
            HINT = 'Ask with `pgtimewarp asof`, `diff`, `export`, `changes`, `find`, `transactions` or `transaction`, or over HTTP of `pgtimewarp serve`: these read the archive. For other questions see `pgtimewarp archive sql`.';
  END IF;
  RETURN part;
END $$;

CREATE FUNCTION pgtimewarp.asof_answer(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_archived json DEFAULT NULL::json) RETURNS TABLE(status text, reason text, final boolean, answer json)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
  at pgtimewarp.history_position;
  period pgtimewarp.relation_periods;
  key_values text[];
  v pgtimewarp.key_state; -- NULL in all members while nothing is known
  context json;
  oldest text := '';
  assumes text := '';
  part json; -- of the archive; NULL: the store has what is needed
BEGIN
  at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_at_ts, p_at_lsn, true);
  period := at.period;
  key_values := pgtimewarp.canonical_key_values(period.pk_columns, period.pk_kinds, p_pk);
  final := at.final;
  IF at.archived_before_lsn IS NOT NULL THEN
    part := pgtimewarp.archived_part(p_archived, period, at.archived_before_lsn, at.lsn, at.lsn);
  END IF;
  IF at.reason IS NOT NULL THEN
    status := 'unknown'; reason := at.reason;
    IF reason = 'expired' THEN
      oldest := format(',"oldest":{"lsn":"%s","ts":%s}', at.expired_before_lsn, pgtimewarp.json_instant(at.expired_before_ts));
    END IF;
  ELSIF array_to_json(key_values)::text IN (SELECT d.pk FROM json_array_elements_text(part -> 'damaged') AS d (pk)) THEN
    status := 'unknown'; reason := 'archive_damaged'; final := false;
  ELSE
    v := pgtimewarp.version_at(period, array_to_json(key_values)::text, at.lsn, 2147483647, at.through, at.is_open, part);
    status := v.status; reason := v.reason; final := final AND v.settled;
    -- The store forgets whether and when a row was removed before the window. The answer says so as soon as the cutoff has
    -- passed the removal, so it does not depend on which ranges are dropped already.
    IF status = 'absent' AND at.expired_before_ts IS NOT NULL
       AND (reason = 'not_yet_inserted' OR v.from_lsn <= at.expired_before_lsn) THEN
      reason := 'not_in_window';
      v.op := NULL; v.from_lsn := NULL; v.from_seq := NULL; v.from_ts := NULL; v.from_xid := NULL;
      v.to_lsn := NULL; v.to_ts := NULL; v.to_xid := NULL;
      EXECUTE format(
        'SELECT r.valid_from_lsn, r.valid_from_ts, r.xid
           FROM %2$s r
          WHERE r.relation_id = %1$s AND r.pk = $1 AND r.valid_from_lsn > $2
          ORDER BY r.valid_from_lsn, r.seq LIMIT 1', period.relation_id, pgtimewarp.changes_source(period.relation_id, part))
         INTO v.to_lsn, v.to_ts, v.to_xid USING array_to_json(key_values)::text, at.lsn;
    END IF;
    IF status = 'found' THEN
      v.incomplete := pgtimewarp.incomplete_at(period.relation_id, v.incomplete, at.asked_lsn, at.asked_ts);
      assumes := CASE WHEN v.nulls_assumed THEN ',"assumes":"no-nan"' ELSE '' END;
    END IF;
    IF (v.from_lsn <= at.expired_before_lsn) IS NOT TRUE THEN
      SELECT t.context INTO context FROM pgtimewarp.context_at(p_node_id, period.lsn_space, v.from_lsn, v.from_seq, v.from_xid) t;
    END IF;
  END IF;

  IF status = 'unknown' THEN
    v := NULL; -- an unknown answer has no beginning and no end
  END IF;
  answer := format(
    '{"status":"%s","reason":%s,"schema":%s,"table":%s,"pk":%s,"row":%s,"op":%s,"incomplete":%s,"context":%s,'
    '"valid_from":%s,"valid_to":%s,"as_of":{"requested":%s,"lsn":%s},"horizon":{"lsn":%s,"ts":%s},"final":%s%s%s%s}',
    status, coalesce('"' || reason || '"', 'null'), to_json(p_schema), to_json(p_table),
    pgtimewarp.json_object_of(period.pk_columns, key_values),
    coalesce(v.row_data::text, 'null'), coalesce('"' || v.op::text || '"', 'null'),
    coalesce(array_to_json(v.incomplete)::text, '[]'), coalesce(context::text, 'null'),
    pgtimewarp.json_commit(v.from_lsn, v.from_ts, v.from_xid), pgtimewarp.json_commit(v.to_lsn, v.to_ts, v.to_xid),
    coalesce(to_json(p_requested)::text, pgtimewarp.json_instant(coalesce(p_at_ts, statement_timestamp()))),
    coalesce('"' || at.lsn || '"', 'null'), coalesce('"' || at.horizon_lsn || '"', 'null'),
    pgtimewarp.json_instant(at.horizon_ts), final::text, oldest, assumes,
    CASE WHEN part IS NOT NULL THEN ',"tier":"archive"' END);
  RETURN NEXT;
END $_$;

CREATE FUNCTION pgtimewarp.asof_answers(p_node_id text, p_schema text, p_table text, p_pks text[], p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_max_bytes bigint, p_archived json DEFAULT NULL::json) RETURNS TABLE(status text, reason text, final boolean, answer text, error_message text, error_hint text)
    LANGUAGE plpgsql STABLE ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION pgtimewarp.asof_each(p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamp with time zone[], p_at_lsn pg_lsn[], p_requested text[]) RETURNS TABLE(status text, reason text, final boolean, answer text)
    LANGUAGE plpgsql STABLE ROWS 10
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
  f pgtimewarp.plain_facts; -- NULL in all members when no question is plain
BEGIN
  -- The running period, and its plain instants: from from_* to to_*, both included. They certainly lie in the period (after its
  -- start, where another may end) and in no gap, have not expired, are not archived, and lie before every partition that is not
  -- judged yet. While a gap is open no question is plain, and none about a table with virtual columns.
  SELECT p.relation_id, p.lsn_space, p.pk_columns, p.pk_kinds, c.applied_lsn, c.applied_ts,
         -- where the history begins
         greatest(p.tracked_from_lsn, x.expired_before_lsn) AS start_lsn,
         greatest(p.tracked_from_lsn + 1, x.expired_before_lsn, g.ended_lsn, a.before_lsn - 1) AS from_lsn,
         greatest(p.tracked_from_ts + interval '1 microsecond', x.expired_before_ts, g.ended_ts, a.before_ts) AS from_ts,
         coalesce(l.unjudged_lsn, 'FFFFFFFF/FFFFFFFF') AS to_lsn,
         coalesce(l.unjudged_ts, 'infinity') AS to_ts,
         (SELECT e.lsn FROM pgtimewarp.relation_events e
           WHERE e.relation_id = p.relation_id AND e.op = 'T' ORDER BY e.lsn DESC LIMIT 1) AS truncated_lsn,
         '"schema":' || to_json(p_schema) || ',"table":' || to_json(p_table) || ',"pk":' AS table_members,
         CASE WHEN cardinality(p.pk_columns) = 1 THEN '{' || to_json(p.pk_columns[1]) || ':' END AS key_member,
         '"},"horizon":{"lsn":"' || c.applied_lsn || '","ts":' || pgtimewarp.json_instant(c.applied_ts) || '}'
           AS horizon_member
    INTO f
    FROM pgtimewarp.tracked_relations p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id AND c.lsn_space = p.lsn_space
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id AND x.expired_before_ts IS NOT NULL
    LEFT JOIN pgtimewarp.archive_cutoffs a ON a.relation_id = p.relation_id
   CROSS JOIN LATERAL (
         SELECT max(g.to_lsn) FILTER (WHERE g.lsn_space = p.lsn_space) AS ended_lsn, max(g.to_ts) AS ended_ts,
                bool_or(g.to_lsn IS NULL) AS is_open
           FROM pgtimewarp.history_gaps g
          WHERE g.node_id = p.node_id AND (g.relation_id IS NULL OR g.relation_id = p.relation_id)) AS g
   CROSS JOIN LATERAL (
         SELECT min(l.seen_after_lsn) AS unjudged_lsn, min(l.seen_after_ts) AS unjudged_ts
           FROM pgtimewarp.relation_leaves l
          WHERE l.relation_id = p.relation_id AND l.attached AND NOT l.checked) AS l
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
     AND p.tracked_from_lsn IS NOT NULL AND p.tracked_to_lsn IS NULL AND g.is_open IS NOT TRUE
     AND NOT EXISTS (SELECT FROM pgtimewarp.virtual_columns vc WHERE vc.relation_id = p.relation_id);
  IF f.relation_id IS NULL THEN
    RETURN QUERY
      SELECT o.status, o.reason, o.final, o.answer::text
        FROM generate_subscripts(p_pks, 1) AS s (place)
       CROSS JOIN LATERAL pgtimewarp.asof_answer(
                p_node_id, p_schema, p_table, p_pks[s.place], p_at_ts[s.place], p_at_lsn[s.place], p_requested[s.place]) o;
  ELSE
    RETURN QUERY EXECUTE format(
      'SELECT e.status, e.reason, e.final, e.answer
         FROM pgtimewarp.asof_each_r%s($1, $2, $3, $4, $5, $6, $7, $8) e', f.relation_id)
      USING f, p_node_id, p_schema, p_table, p_pks, p_at_ts, p_at_lsn, p_requested;
  END IF;
END $_$;

CREATE FUNCTION pgtimewarp.canonical_key(pk_columns text[], pk_kinds text[], pk jsonb, p_refuses boolean DEFAULT true) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT array_to_json(pgtimewarp.canonical_key_values(pk_columns, pk_kinds, pk, p_refuses))::text
$$;

CREATE FUNCTION pgtimewarp.canonical_key_values(p_columns text[], p_kinds text[], p_pk jsonb, p_refuses boolean DEFAULT true) RETURNS text[]
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  given jsonb := p_pk;
  item jsonb;
  result text[] := '{}';
  hint text := 'Name every key column once: ' || array_to_string(p_columns, ', ') || '.';
  unknown text;
  problem text;
BEGIN
  IF jsonb_typeof(given) IS DISTINCT FROM 'object' THEN
    IF cardinality(p_columns) <> 1 THEN
      RAISE EXCEPTION 'the key has % columns, and one bare value was given', cardinality(p_columns)
        USING ERRCODE = 'TW002', HINT = hint;
    END IF;
    given := jsonb_build_object(p_columns[1], given);
  ELSIF given - p_columns <> '{}' THEN
    SELECT string_agg(name, ', ') INTO unknown FROM jsonb_object_keys(given - p_columns) AS name;
    RAISE EXCEPTION 'not a column of the key: %', unknown USING ERRCODE = 'TW002', HINT = hint;
  END IF;
  BEGIN
    FOR place IN 1 .. cardinality(p_columns) LOOP
      item := given -> p_columns[place];
      IF item IS NULL THEN
        RAISE EXCEPTION 'the key column % is missing', p_columns[place] USING ERRCODE = 'TW002', HINT = hint;
      ELSIF jsonb_typeof(item) IN ('null', 'object', 'array') THEN
        RAISE EXCEPTION 'the key column % cannot be %', p_columns[place], jsonb_typeof(item)
          USING ERRCODE = 'TW002', HINT = 'Give a string, a number or a boolean.';
      END IF;
      unknown := p_columns[place]; -- for the message if the cast fails
      result[place] := pgtimewarp.canonical_value(p_kinds[place], item #>> '{}');
    END LOOP;
  EXCEPTION WHEN data_exception THEN
    IF NOT p_refuses THEN
      RETURN NULL;
    END IF;
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
    RAISE EXCEPTION 'the key column % cannot have this value: %', unknown, problem USING ERRCODE = 'TW002', HINT = hint;
  END;
  RETURN result;
END $$;

CREATE FUNCTION pgtimewarp.canonical_value(p_kind text, p_value text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    AS $$
BEGIN
  CASE p_kind
    WHEN 'int4' THEN RETURN p_value::int4;
    WHEN 'int8' THEN RETURN p_value::int8;
    WHEN 'uuid' THEN RETURN p_value::uuid;
    WHEN 'text', 'varchar', 'enum' THEN RETURN p_value;
    WHEN 'int2' THEN RETURN p_value::int2;
    WHEN 'numeric' THEN RETURN trim_scale(p_value::numeric);
    WHEN 'bool' THEN RETURN p_value::bool::text;
    WHEN 'bpchar' THEN RETURN rtrim(p_value, ' ');
    WHEN 'citext' THEN RETURN pgtimewarp.lower_by_letter(p_value);
    WHEN 'citext_whole' THEN RETURN lower(p_value COLLATE "und-x-icu");
    WHEN 'citext_ascii' THEN RETURN lower(p_value COLLATE "C");
    WHEN 'name' THEN RETURN p_value::name;
    WHEN 'char' THEN RETURN p_value::"char";
    -- format() prints by the output function, as the log does; the cast to text would add a netmask
    WHEN 'inet' THEN RETURN format('%s', p_value::inet);
    WHEN 'cidr' THEN RETURN format('%s', p_value::cidr);
    WHEN 'macaddr' THEN RETURN p_value::macaddr;
    WHEN 'macaddr8' THEN RETURN p_value::macaddr8;
    WHEN 'bit', 'varbit' THEN RETURN p_value::varbit; -- a cast to bit would cut to one bit
    WHEN 'oid' THEN RETURN p_value::oid;
    WHEN 'pg_lsn' THEN RETURN p_value::pg_lsn;
    WHEN 'xid8' THEN RETURN p_value::xid8;
    WHEN 'float4', 'float8', 'bytea', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'money' THEN
      RETURN pgtimewarp.canonical_value_fixed(p_kind, p_value);
    ELSE
      RAISE EXCEPTION 'no canonical form is known for keys of kind %', p_kind USING ERRCODE = 'TW002';
  END CASE;
END $$;

CREATE FUNCTION pgtimewarp.canonical_value_fixed(p_kind text, p_value text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET lc_monetary TO 'C'
    AS $$
BEGIN
  IF p_kind IN ('date', 'time', 'timetz', 'timestamp', 'timestamptz') AND p_value ~* '\m(now|today|tomorrow|yesterday)\M' THEN
    RAISE EXCEPTION '"%" changes with the clock, write the date or time itself', p_value USING ERRCODE = 'invalid_datetime_format';
  END IF;
  RETURN CASE p_kind
    WHEN 'float4' THEN (p_value::float4 + 0::float4)::text -- + 0 turns -0 into 0, which is the same key
    WHEN 'float8' THEN (p_value::float8 + 0)::text
    WHEN 'bytea' THEN p_value::bytea::text
    WHEN 'date' THEN p_value::date::text
    WHEN 'time' THEN p_value::time::text
    WHEN 'timetz' THEN p_value::timetz::text
    WHEN 'timestamp' THEN p_value::timestamp::text
    WHEN 'timestamptz' THEN p_value::timestamptz::text
    WHEN 'money' THEN p_value::money::text
  END;
END $$;

CREATE FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[]) RETURNS json
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION pgtimewarp.changed_filter(p_period pgtimewarp.relation_periods, p_columns jsonb, p_is_judge boolean) RETURNS pgtimewarp.row_filter[]
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RETURN CASE WHEN p_columns IS NOT NULL THEN pgtimewarp.row_filters(
    p_period, (SELECT jsonb_object_agg(c.name, NULL) FROM jsonb_array_elements_text(p_columns) AS c (name)), p_is_judge) END;
END $$;

CREATE FUNCTION pgtimewarp.changes_source(p_relation_id integer, p_part json) RETURNS text
    LANGUAGE sql STABLE
    AS $_$
  SELECT CASE WHEN p_part IS NULL THEN 'pgtimewarp.row_changes' ELSE format(
    '(SELECT c.valid_from_lsn, c.valid_from_ts, c.xid, c.read_lsn, c.relation_id, c.seq, c.leaf_id, c.op, c.pk, c.row_data, c.incomplete,
             c.json_nulls, c.nulls_assumed
        FROM pgtimewarp.row_changes AS c WHERE c.relation_id = %1$s AND c.valid_from_lsn >= %2$L
       UNION ALL
      SELECT a.valid_from_lsn, a.valid_from_ts, a.xid, a.read_lsn, a.relation_id, a.seq, a.leaf_id, a.op, a.pk COLLATE "C", a.row_data, a.incomplete,
             a.json_nulls, a.nulls_assumed
        FROM pgtimewarp.archived_changes(%1$s, %3$L) AS a WHERE a.valid_from_lsn < %2$L)',
    p_relation_id, p_part ->> 'before', p_part) END
$_$;

CREATE FUNCTION pgtimewarp.commit_at_lsn(p_node_id text, p_space integer, p_lsn pg_lsn) RETURNS TABLE(lsn_space integer, lsn pg_lsn, ts timestamp with time zone)
    LANGUAGE sql STABLE ROWS 1
    AS $$
  SELECT m.lsn_space, m.lsn, m.ts
    FROM pgtimewarp.lsn_time_map AS m
   WHERE m.node_id = p_node_id AND m.lsn_space = p_space AND m.lsn <= p_lsn
   ORDER BY m.lsn DESC LIMIT 1
$$;

CREATE FUNCTION pgtimewarp.commit_at_time(p_node_id text, p_space integer, p_ts timestamp with time zone) RETURNS TABLE(lsn_space integer, lsn pg_lsn, ts timestamp with time zone)
    LANGUAGE sql STABLE ROWS 1
    AS $$
  SELECT m.lsn_space, m.lsn, m.ts
    FROM pgtimewarp.lsn_time_map AS m
   WHERE m.node_id = p_node_id AND (p_space IS NULL OR m.lsn_space = p_space) AND m.ts <= p_ts
   ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT 1
$$;

CREATE FUNCTION pgtimewarp.commit_tables(p_node_id text, p_spaces integer[], p_lsns pg_lsn[], p_filter jsonb, p_archived json DEFAULT NULL::json) RETURNS TABLE(lsn_space integer, lsn pg_lsn, tables json, rows bigint)
    LANGUAGE plpgsql STABLE ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET max_parallel_workers_per_gather TO '0'
    AS $_$
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
END $_$;

CREATE FUNCTION pgtimewarp.commits_by(p_node_id text, p_by jsonb, p_max integer, OUT spaces integer[], OUT lsns pg_lsn[]) RETURNS record
    LANGUAGE sql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
  WITH hashed AS MATERIALIZED (
    SELECT c.node_id, c.lsn_space, c.lsn, c.context
      FROM pgtimewarp.transaction_contexts AS c
     WHERE c.value_hashes @> pgtimewarp.context_hashes(p_by) OR c.value_hashes @> '{0}'
     LIMIT p_max + 1)
  SELECT CASE WHEN (SELECT count(*) FROM hashed) <= p_max THEN coalesce(array_agg(k.lsn_space ORDER BY k.lsn_space, k.lsn), '{}') END,
         CASE WHEN (SELECT count(*) FROM hashed) <= p_max THEN coalesce(array_agg(k.lsn ORDER BY k.lsn_space, k.lsn), '{}') END
    FROM (SELECT DISTINCT h.lsn_space, h.lsn FROM hashed AS h
           WHERE h.node_id = p_node_id AND pgtimewarp.context_matches(h.context, p_by)) AS k
$$;

CREATE FUNCTION pgtimewarp.comparable_value(p_kind text, p_value text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RETURN CASE
    WHEN p_kind = 'interval' THEN extract(epoch FROM justify_interval(p_value::interval))::text
    ELSE pgtimewarp.canonical_value(p_kind, p_value)
  END;
END $$;

CREATE FUNCTION pgtimewarp.context_at(p_node_id text, p_space integer, p_lsn pg_lsn, p_seq integer, p_xid bigint) RETURNS TABLE(context json)
    LANGUAGE sql STABLE ROWS 1
    AS $$
  SELECT c.context FROM pgtimewarp.transaction_contexts c
   WHERE c.node_id = p_node_id AND c.lsn_space = p_space AND c.lsn = p_lsn AND c.seq <= p_seq AND p_xid IS NOT NULL
   ORDER BY c.seq DESC LIMIT 1
$$;

CREATE FUNCTION pgtimewarp.context_hashes(p_by jsonb) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  hashes int[] := '{}';
  wanted text;
  bytes bytea;
  hash bigint;
BEGIN
  FOR wanted IN SELECT b.value FROM jsonb_each_text(p_by) AS b WHERE b.value !~ '^[[{]' LOOP
    bytes := convert_to(wanted, 'UTF8');
    hash := 2166136261;
    FOR i IN 0 .. length(bytes) - 1 LOOP
      hash := ((hash # get_byte(bytes, i)) * 16777619) & 4294967295;
    END LOOP;
    hashes := hashes || (CASE WHEN hash > 2147483647 THEN hash - 4294967296 ELSE hash END)::int;
  END LOOP;
  RETURN hashes;
END $$;

CREATE FUNCTION pgtimewarp.context_is_kept(p_node_id text, p_space integer, p_lsn pg_lsn, p_relation_ids integer[]) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT EXISTS (
    SELECT FROM unnest(coalesce(p_relation_ids, ARRAY(
             SELECT p.relation_id FROM pgtimewarp.relation_periods p
              WHERE p.node_id = p_node_id AND p.lsn_space = p_space))) AS touched (relation_id)
      LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = touched.relation_id
     WHERE (p_lsn <= x.expired_before_lsn) IS NOT TRUE
       AND to_regclass(format('pgtimewarp.row_changes_r%s', touched.relation_id)) IS NOT NULL) -- it has a history
$$;

CREATE FUNCTION pgtimewarp.context_matches(p_context json, p_by jsonb) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT p_by IS NULL OR p_context IS NOT NULL AND NOT EXISTS (
    SELECT FROM jsonb_each_text(p_by) AS b
     WHERE b.value IS DISTINCT FROM coalesce(
             pgtimewarp.json_value(p_context, ARRAY[b.key]), pgtimewarp.json_value(p_context, string_to_array(b.key, '.'))))
$$;

CREATE FUNCTION pgtimewarp.create_relation_function(p_relation_id integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  name text := format('pgtimewarp.asof_each_r%s', p_relation_id);
BEGIN
  EXECUTE format($f$
CREATE OR REPLACE FUNCTION %2$s(
  f pgtimewarp.plain_facts, p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamptz[],
  p_at_lsn pg_lsn[], p_requested text[])
RETURNS TABLE (status text, reason text, final boolean, answer text)
LANGUAGE plpgsql STABLE ROWS 10
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
END $_$;

CREATE FUNCTION pgtimewarp.create_relation_partition(p_relation_id integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  leaf text := format('row_changes_r%s', p_relation_id);
BEGIN
  IF to_regclass(format('pgtimewarp.%I', leaf)) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format(
    'CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.row_changes INCLUDING ALL EXCLUDING COMMENTS, CHECK (relation_id = %s))',
    leaf, p_relation_id);
  EXECUTE format('ALTER TABLE pgtimewarp.%I SET (autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 100)', leaf);
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes ATTACH PARTITION pgtimewarp.%I FOR VALUES IN (%s)',
    leaf, p_relation_id);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', leaf);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', leaf);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', leaf);
  PERFORM pgtimewarp.create_relation_function(p_relation_id);
END $$;

CREATE FUNCTION pgtimewarp.diff_changes(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_archived json DEFAULT NULL::json) RETURNS TABLE(op text, lsn pg_lsn, seq integer, ts timestamp with time zone, xid bigint, row_data json, changed json, context json, relation_id integer, incomplete text[], assumes text)
    LANGUAGE plpgsql STABLE ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
  ends record;
  place record;
  period pgtimewarp.relation_periods;
  key text;
  before pgtimewarp.key_state;
  resumed boolean;
  start_lsn pg_lsn;
  start_seq int;
  remaining int := coalesce(p_limit, 2147483647);
  e record;
  part json;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_archived);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    period := place.period;
    relation_id := period.relation_id;
    key := pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk, false);
    CONTINUE WHEN key IS NULL;
    resumed := coalesce(relation_id = p_after_relation_id, false);
    start_lsn := CASE WHEN resumed THEN p_after_lsn ELSE place.lower_lsn END;
    start_seq := CASE WHEN resumed THEN p_after_seq ELSE 2147483647 END;
    part := pgtimewarp.archived_part(
      p_archived, period, pgtimewarp.archived_before(period, place.lower_lsn), place.lower_lsn, place.upper_lsn);
    before := pgtimewarp.version_at(period, key, start_lsn, start_seq, place.through, place.is_open, part);
    IF place.starts_inside AND NOT resumed AND before.op = 'S' AND remaining > 0 THEN
      op := 'S'; lsn := before.from_lsn; seq := before.from_seq; ts := before.from_ts; xid := NULL;
      row_data := before.row_data; changed := NULL; context := NULL;
      incomplete := pgtimewarp.incomplete_at(relation_id, before.incomplete, NULL, ts); assumes := NULL;
      RETURN NEXT;
      remaining := remaining - 1;
    END IF;
    FOR e IN EXECUTE format(
      '(SELECT r.op, r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.leaf_id, r.row_data, r.json_nulls,
               r.incomplete, r.nulls_assumed
          FROM %2$s r
         WHERE r.relation_id = %1$s AND r.pk = $1 AND (r.op <> ''S'' OR r.valid_from_lsn > $2)
           AND r.valid_from_lsn >= $3 AND (r.valid_from_lsn, r.seq) > ($3, $4) AND r.valid_from_lsn <= $5
         ORDER BY r.valid_from_lsn, r.seq LIMIT $6)
       UNION ALL
       SELECT t.op, t.lsn, t.seq, t.ts, t.xid, t.leaf_id, NULL, NULL, NULL, NULL
         FROM pgtimewarp.relation_events t
        WHERE t.relation_id = %1$s AND t.op = ''T'' AND (t.lsn, t.seq) > ($3, $4) AND t.lsn <= $5
       ORDER BY 2, 3', relation_id, pgtimewarp.changes_source(relation_id, part))
      USING key, period.tracked_from_lsn, start_lsn, start_seq, place.upper_lsn, remaining
    LOOP
      EXIT WHEN remaining = 0;
      CONTINUE WHEN e.op = 'T'
        AND (before.status IS DISTINCT FROM 'found' OR e.leaf_id IS NOT NULL AND e.leaf_id IS DISTINCT FROM before.leaf_id);
      op := e.op; lsn := e.lsn; seq := e.seq; ts := e.ts; xid := e.xid; row_data := e.row_data;
      incomplete := CASE WHEN e.op NOT IN ('D', 'T')
                         THEN pgtimewarp.incomplete_at(relation_id, e.incomplete, NULL, e.ts) END;
      assumes := CASE WHEN e.nulls_assumed THEN 'no-nan' END;
      changed := CASE WHEN e.op IN ('U', 'S') AND before.status = 'found'
        THEN pgtimewarp.changed_columns(before.row_data, before.json_nulls, e.row_data, e.json_nulls) END;
      SELECT c.context INTO context FROM pgtimewarp.context_at(p_node_id, period.lsn_space, e.lsn, e.seq, e.xid) c;
      RETURN NEXT;
      remaining := remaining - 1;
      before.status := CASE WHEN e.op IN ('D', 'T') THEN 'absent' ELSE 'found' END;
      before.leaf_id := e.leaf_id; before.row_data := e.row_data; before.json_nulls := e.json_nulls;
    END LOOP;
    EXIT WHEN remaining = 0;
  END LOOP;
END $_$;

CREATE FUNCTION pgtimewarp.diff_frame(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json DEFAULT NULL::json) RETURNS TABLE(from_ts timestamp with time zone, to_ts timestamp with time zone, horizon_lsn pg_lsn, horizon_ts timestamp with time zone, unknown json, final boolean, is_archived boolean)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
  ends record;
  place record;
  period pgtimewarp.relation_periods;
  state pgtimewarp.key_state;
  key text;
  can_be boolean := false;
  settled boolean := true;
  holes pgtimewarp.hole[] := '{}';
  part json;
  any_part boolean := false;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_archived);
  -- A key is refused if it could not be one in any period, whether in the interval or not: the type of the key may have changed.
  FOR period IN
    SELECT p.* FROM pgtimewarp.relation_periods p
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
  LOOP
    can_be := pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk, false) IS NOT NULL OR can_be;
  END LOOP;
  IF NOT can_be THEN
    PERFORM pgtimewarp.canonical_key((ends.to_at).period.pk_columns, (ends.to_at).period.pk_kinds, p_pk);
  END IF;
  -- Intervals at the beginning of a period in which the key is unknown.
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) d
  LOOP
    period := place.period;
    key := pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk, false);
    CONTINUE WHEN key IS NULL;
    part := pgtimewarp.archived_part(
      p_archived, period, pgtimewarp.archived_before(period, place.lower_lsn), place.lower_lsn, place.upper_lsn);
    any_part := any_part OR part IS NOT NULL;
    state := pgtimewarp.version_at(period, key, place.lower_lsn, 2147483647, place.through, place.is_open, part);
    settled := settled AND state.settled;
    IF state.status = 'unknown' THEN
      holes := holes || ROW(
        tstzrange(period.tracked_from_ts, coalesce(state.to_ts, period.tracked_to_ts), '[)'), state.reason)::pgtimewarp.hole;
    END IF;
  END LOOP;
  RETURN QUERY
    SELECT f.*, any_part FROM pgtimewarp.window_frame(
      p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, holes, settled) AS f;
END $$;

CREATE FUNCTION pgtimewarp.diff_periods(p_from pgtimewarp.history_position, p_to pgtimewarp.history_position) RETURNS TABLE(period pgtimewarp.relation_periods, starts_inside boolean, lower_lsn pg_lsn, upper_lsn pg_lsn, through pg_lsn, is_open boolean)
    LANGUAGE sql STABLE ROWS 2
    AS $$
  SELECT p, NOT e.is_first AND x.expired_before_lsn IS NULL,
         greatest(p.tracked_from_lsn, x.expired_before_lsn, CASE WHEN e.is_first THEN
           coalesce((p_from).asked_lsn, CASE WHEN (p_from).lsn_space = p.lsn_space THEN (p_from).lsn END) END),
         CASE WHEN NOT e.is_last OR (p_to).asked_ts > p.tracked_to_ts THEN e.through
              WHEN (p_to).lsn_space = p.lsn_space THEN
                least(e.through, coalesce((p_to).asked_lsn, greatest(p.tracked_from_lsn, (p_to).lsn)))
              WHEN (p_to).asked_lsn IS NOT NULL THEN e.through -- the end lies in a later LSN space
              ELSE p.tracked_from_lsn END,
         e.through, e.is_last AND (p_to).is_open
    FROM pgtimewarp.relation_periods p
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
   CROSS JOIN LATERAL (
         SELECT coalesce((p_from).has_begun AND p.relation_id = ((p_from).period).relation_id, false) AS is_first,
                p.relation_id = ((p_to).period).relation_id AS is_last,
                -- a period with a successor has ended
                CASE WHEN p.relation_id = ((p_to).period).relation_id THEN (p_to).through ELSE p.tracked_to_lsn END AS through) e
   WHERE p.node_id = ((p_to).period).node_id AND p.schema_name = ((p_to).period).schema_name
     AND p.table_name = ((p_to).period).table_name
     AND (p_to).has_begun AND p.tracked_from_ts <= ((p_to).period).tracked_from_ts
     AND x.is_dropped IS NOT TRUE
     -- and has not ended before `from`
     AND ((p_from).asked_ts IS NULL OR p.tracked_to_ts IS NULL OR p.tracked_to_ts >= (p_from).asked_ts)
     AND ((p_from).asked_lsn IS NULL OR p.lsn_space = (p_from).lsn_space
          AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= (p_from).asked_lsn))
$$;

CREATE FUNCTION pgtimewarp.diff_positions(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json DEFAULT NULL::json, p_kind text DEFAULT 'keys'::text, OUT from_at pgtimewarp.history_position, OUT to_at pgtimewarp.history_position) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF p_from_ts IS NOT NULL OR p_from_lsn IS NOT NULL THEN
    from_at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, true);
  END IF;
  IF p_to_ts IS NULL AND p_to_lsn IS NULL THEN
    p_to_ts := greatest((SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id), p_from_ts,
                        pgtimewarp.time_at(p_node_id, from_at.lsn_space, p_from_lsn));
  END IF;
  to_at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_to_ts, p_to_lsn, true);
  IF p_kind IS NOT NULL AND EXISTS (SELECT FROM pgtimewarp.archive_cutoffs) THEN
    PERFORM pgtimewarp.archived_part(
              p_archived, d.period, pgtimewarp.archived_before(d.period, d.lower_lsn), d.lower_lsn, d.upper_lsn, p_kind)
       FROM pgtimewarp.diff_periods(from_at, to_at) AS d;
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.drop_relation_partition(p_relation_id integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT g.table_name FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state <> 'attached'
  LOOP
    EXECUTE format('DROP TABLE IF EXISTS pgtimewarp.%I', name);
  END LOOP;
  EXECUTE format('DROP TABLE IF EXISTS pgtimewarp.%I', format('row_changes_r%s', p_relation_id));
  EXECUTE format('DROP FUNCTION IF EXISTS pgtimewarp.%I', format('asof_each_r%s', p_relation_id));
  DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id;
  DELETE FROM pgtimewarp.archive_cutoffs WHERE relation_id = p_relation_id;
END $$;

CREATE FUNCTION pgtimewarp.find_in_period(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filters pgtimewarp.row_filter[], p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_part json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.found_version
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $_$
DECLARE
  chunk CONSTANT int := 1000;
  relation int := p_period.relation_id;
  keys text[];
  at_pk text := p_after_pk;
  v record;
  found pgtimewarp.found_version;
  given int := 0;
  bytes bigint := 0;
  is_first boolean := true;
  versions text; -- each with the next one, n
BEGIN
  IF p_part IS NULL THEN
    versions := 'FROM unnest($1) WITH ORDINALITY AS k (pk, place)
        CROSS JOIN LATERAL (
              (SELECT c.* FROM pgtimewarp.row_changes AS c
                WHERE c.relation_id = %1$s AND c.pk = k.pk COLLATE "C" AND c.valid_from_lsn <= $2
                ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1)
              UNION ALL
              (SELECT c.* FROM pgtimewarp.row_changes AS c
                WHERE c.relation_id = %1$s AND c.pk = k.pk COLLATE "C" AND c.valid_from_lsn > $2 AND c.valid_from_lsn <= $3)) AS r
         LEFT JOIN LATERAL (
              SELECT c.valid_from_lsn AS lsn, c.seq, c.valid_from_ts AS ts, c.xid, c.op FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = %1$s AND c.pk = r.pk AND c.valid_from_lsn >= r.valid_from_lsn
                 AND (c.valid_from_lsn, c.seq) > (r.valid_from_lsn, r.seq)
               ORDER BY c.valid_from_lsn, c.seq LIMIT 1) AS n ON true';
  ELSE
    versions := 'FROM (SELECT s.*, lead(s.valid_from_lsn) OVER w AS n_lsn, lead(s.seq) OVER w AS n_seq,
                    lead(s.valid_from_ts) OVER w AS n_ts, lead(s.xid) OVER w AS n_xid
               FROM ' || pgtimewarp.changes_source(relation, p_part) || ' AS s
              WHERE s.relation_id = %1$s AND s.pk > $5 AND (s.pk <= $6 OR $6 IS NULL)
             WINDOW w AS (PARTITION BY s.pk ORDER BY s.valid_from_lsn, s.seq)) AS r
        CROSS JOIN LATERAL (SELECT r.n_lsn AS lsn, r.n_seq AS seq, r.n_ts AS ts, r.n_xid AS xid) AS n
        CROSS JOIN LATERAL (SELECT r.pk, 1 AS place) AS k';
  END IF;
  found.relation_id := relation;
  LOOP
    -- the key of the last row received may have further versions
    IF p_part IS NULL THEN
      EXECUTE format(
        'SELECT array_agg(k.pk ORDER BY k.pk) FROM (
           SELECT DISTINCT c.pk FROM pgtimewarp.row_changes AS c
            WHERE c.relation_id = %s AND c.valid_from_lsn <= $1%s ORDER BY c.pk LIMIT %s) AS k', relation,
        CASE WHEN at_pk IS NULL THEN '' WHEN is_first AND p_after_lsn IS NOT NULL THEN ' AND c.pk >= $2' ELSE ' AND c.pk > $2' END, chunk)
        INTO keys USING p_upper, at_pk;
      EXIT WHEN keys IS NULL;
    END IF;
    is_first := false;
    FOR v IN EXECUTE format(
      'SELECT r.pk, r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.row_data, r.json_nulls, r.incomplete, r.nulls_assumed,
              CASE WHEN (e.lsn, e.seq) < (n.lsn, n.seq) OR n.lsn IS NULL THEN e.lsn ELSE n.lsn END AS to_lsn,
              CASE WHEN (e.lsn, e.seq) < (n.lsn, n.seq) OR n.lsn IS NULL THEN e.ts ELSE n.ts END AS to_ts,
              CASE WHEN (e.lsn, e.seq) < (n.lsn, n.seq) OR n.lsn IS NULL THEN e.xid ELSE n.xid END AS to_xid
         ' || versions || '
         LEFT JOIN LATERAL (
              SELECT t.lsn, t.seq, t.ts, t.xid FROM pgtimewarp.truncates_after(%1$s, r.valid_from_lsn, r.seq, r.op, r.leaf_id) AS t
               ORDER BY t.lsn, t.seq LIMIT 1) AS e ON true
        WHERE r.valid_from_lsn <= $3 AND (r.valid_from_lsn > $2 OR n.lsn IS NULL OR n.lsn > $2)
          AND r.op <> ''D'' AND (r.op <> ''S'' OR r.read_lsn <= $4 AND (n.lsn IS NULL OR n.lsn > r.read_lsn))
        ORDER BY k.place, r.pk, r.valid_from_lsn, r.seq', relation)
      USING keys, p_lower, p_upper, p_through, coalesce(CASE WHEN p_after_lsn IS NULL THEN p_after_pk ELSE left(p_after_pk, -1) END, ''), p_part -> 'keys' ->> 'upto'
    LOOP
      -- over before the first moment, or within its own transaction
      CONTINUE WHEN v.to_lsn <= p_lower OR v.to_lsn = v.lsn
        OR v.pk = p_after_pk AND p_after_lsn IS NOT NULL AND (v.lsn, v.seq) <= (p_after_lsn, p_after_seq)
        OR NOT pgtimewarp.row_matches(v.row_data, v.json_nulls, v.incomplete, v.lsn, p_filters);
      found.pk := v.pk; found.lsn := v.lsn; found.seq := v.seq; found.ts := v.ts; found.xid := v.xid;
      found.to_lsn := v.to_lsn; found.to_ts := v.to_ts; found.to_xid := v.to_xid; found.row_data := v.row_data;
      found.incomplete := pgtimewarp.incomplete_at(relation, v.incomplete, NULL, v.ts);
      found.assumes := CASE WHEN v.nulls_assumed THEN 'no-nan' END;
      RETURN NEXT found;
      given := given + 1;
      bytes := bytes + octet_length(v.row_data::text);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN p_part IS NOT NULL OR cardinality(keys) < chunk;
    at_pk := keys[cardinality(keys)];
  END LOOP;
END $_$;

CREATE FUNCTION pgtimewarp.find_rows(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_is_instant boolean, p_where jsonb, p_after_relation_id integer, p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_archived json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.found_version
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  ends record;
  place record;
  at pgtimewarp.history_position;
  found pgtimewarp.found_version;
  filters pgtimewarp.row_filter[];
  given int := 0;
  bytes bigint := 0;
  part json;
  -- see find_in_period()
  after_key text := coalesce(CASE WHEN p_after_lsn IS NULL THEN p_after_pk ELSE left(p_after_pk, -1) END, '');
BEGIN
  PERFORM pgtimewarp.refuse_other_cursor(p_node_id, p_schema, p_table, p_after_relation_id);
  IF p_is_instant THEN
    at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, true);
    filters := pgtimewarp.row_filters(at.period, p_where, true);
    IF at.reason IS NOT NULL THEN
      RETURN;
    END IF;
    part := pgtimewarp.archived_part(p_archived, at.period, at.archived_before_lsn, at.lsn, at.lsn, 'versions', after_key);
    RETURN QUERY SELECT f.* FROM pgtimewarp.find_in_period(
      at.period, at.lsn, at.lsn, at.through, filters, p_after_pk, p_after_lsn, p_after_seq, p_limit, p_max_bytes, part) AS f;
    RETURN;
  END IF;
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  PERFORM pgtimewarp.row_filters((ends.to_at).period, p_where, true);
  FOR place IN
    SELECT d.*, coalesce((d.period).relation_id = p_after_relation_id, false) AS resumed
      FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    filters := pgtimewarp.row_filters(place.period, p_where, false);
    part := pgtimewarp.archived_part(
      p_archived, place.period, pgtimewarp.archived_before(place.period, place.lower_lsn), place.lower_lsn, place.upper_lsn, 'versions',
      CASE WHEN place.resumed THEN after_key ELSE '' END);
    FOR found IN
      SELECT f.* FROM pgtimewarp.find_in_period(
        place.period, place.lower_lsn, place.upper_lsn, place.through, filters,
        CASE WHEN place.resumed THEN p_after_pk END, CASE WHEN place.resumed THEN p_after_lsn END,
        CASE WHEN place.resumed THEN p_after_seq END, p_limit - given, p_max_bytes - bytes, part) AS f
    LOOP
      RETURN NEXT found;
      given := given + 1;
      bytes := bytes + octet_length(found.row_data::text);
    END LOOP;
    IF given >= p_limit OR bytes > p_max_bytes OR part -> 'keys' ->> 'upto' IS NOT NULL THEN
      RETURN;
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION pgtimewarp.hot_window(p_relation_id integer) RETURNS interval
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT least((SELECT x.retention FROM pgtimewarp.relation_retention AS x WHERE x.relation_id = p_relation_id),
               (SELECT s.hot
                  FROM pgtimewarp.tracked_relations AS r
                  JOIN pgtimewarp.archive_settings AS s
                    ON s.node_id = r.node_id AND s.schema_name = r.schema_name AND s.table_name = r.table_name
                 WHERE r.relation_id = p_relation_id AND s.is_on AND s.drops))
$$;

CREATE FUNCTION pgtimewarp.incomplete_at(p_relation_id integer, p_incomplete text[], p_lsn pg_lsn, p_ts timestamp with time zone) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT nullif(coalesce(p_incomplete, '{}') || ARRAY(
    SELECT DISTINCT v.column_name
      FROM pgtimewarp.virtual_columns v
     WHERE v.relation_id = p_relation_id AND (v.column_name = ANY (p_incomplete)) IS NOT TRUE
       AND CASE WHEN p_lsn IS NOT NULL THEN v.from_lsn < p_lsn AND (v.to_lsn IS NULL OR p_lsn <= v.to_lsn)
                ELSE v.from_ts < p_ts AND (v.to_ts IS NULL OR p_ts <= v.to_ts) END
     ORDER BY 1), '{}')
$$;

CREATE FUNCTION pgtimewarp.incomplete_of_change(p_relation_id integer, p_ts timestamp with time zone, p_before text[], p_after text[]) RETURNS text[]
    LANGUAGE sql STABLE
    AS $$
  SELECT pgtimewarp.incomplete_at(p_relation_id, nullif(ARRAY(
    SELECT u.name FROM unnest(p_before || p_after) AS u (name) GROUP BY u.name ORDER BY min(array_position(p_before || p_after, u.name))), '{}'), NULL, p_ts)
$$;

CREATE FUNCTION pgtimewarp.is_one_of(p_schema text, p_table text, p_only jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT p_only IS NULL OR p_only @> pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('schema', p_schema, 'table', p_table))
$$;

CREATE FUNCTION pgtimewarp.json_commit(p_lsn pg_lsn, p_ts timestamp with time zone, p_xid bigint) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT CASE WHEN p_lsn IS NULL THEN 'null' ELSE
    '{"lsn":"' || p_lsn || '","ts":' || pgtimewarp.json_instant(p_ts)
    || ',"xid":' || coalesce('"' || p_xid || '"', 'null') || '}' END
$$;

CREATE FUNCTION pgtimewarp.json_frame(p_unknown json, p_final boolean, p_horizon_ts timestamp with time zone) RETURNS json
    LANGUAGE sql STABLE
    AS $$
  SELECT pg_catalog.json_build_object(
    'unknown', p_unknown, 'final', p_final, 'horizon', pgtimewarp.json_instant(p_horizon_ts)::json)
$$;

CREATE FUNCTION pgtimewarp.json_has(p_json json, p_name text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $$
DECLARE
  escaped boolean := position(chr(92) || 'u' IN p_json::text) > 0;
  name text := to_json(p_name);
BEGIN
  IF NOT escaped THEN
    RETURN (p_json -> p_name) IS NOT NULL;
  END IF;
  RETURN (pgtimewarp.json_stand_in(p_json::text, false)::json
          -> pgtimewarp.json_stand_in(substr(name, 2, length(name) - 2), false)) IS NOT NULL;
END $$;

CREATE FUNCTION pgtimewarp.json_instant(p_ts timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT CASE WHEN pg_catalog.isfinite(p_ts)
    THEN pg_catalog.to_char(p_ts AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""') ELSE 'null' END
$$;

CREATE FUNCTION pgtimewarp.json_key(p_columns text[], p_pk text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT pgtimewarp.json_object_of(p_columns, ARRAY(
    SELECT e.value FROM json_array_elements_text(p_pk::json) WITH ORDINALITY AS e ORDER BY e.ordinality))
$$;

CREATE FUNCTION pgtimewarp.json_object_of(p_names text[], p_values text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
DECLARE
  members text := '';
BEGIN
  FOR place IN 1 .. cardinality(p_names) LOOP
    members := members || CASE WHEN place > 1 THEN ',' ELSE '' END
      || to_json(p_names[place]) || ':' || to_json(p_values[place]);
  END LOOP;
  RETURN '{' || members || '}';
END $$;

CREATE FUNCTION pgtimewarp.json_stand_in(p_json text, p_back boolean) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT CASE WHEN p_back
    THEN replace(replace(replace(replace(p_json, '~3', chr(92)), '~2', chr(92) || '"'), '~1', repeat(chr(92), 2)), '~0', '~')
    ELSE replace(replace(replace(replace(p_json, '~', '~0'), repeat(chr(92), 2), '~1'), chr(92) || '"', '~2'), chr(92), '~3') END
$$;

CREATE FUNCTION pgtimewarp.json_stood_for(p_text text, p_escaped boolean) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT CASE WHEN p_escaped THEN pgtimewarp.json_stand_in('"' || p_text || '"', true)::json #>> '{}' ELSE p_text END
$$;

CREATE FUNCTION pgtimewarp.json_text(p_json json, p_name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
DECLARE
  name text := to_json(p_name);
BEGIN
  IF position(chr(92) || 'u' IN p_json::text) = 0 THEN
    RETURN p_json -> p_name;
  END IF;
  RETURN pgtimewarp.json_stand_in((
    pgtimewarp.json_stand_in(p_json::text, false)::json
    -> pgtimewarp.json_stand_in(substr(name, 2, length(name) - 2), false))::text, true);
END $$;

CREATE FUNCTION pgtimewarp.json_value(p_json json, p_path text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
  IF position(chr(92) || 'u' IN p_json::text) = 0 THEN
    RETURN p_json #>> p_path;
  END IF;
  RETURN pgtimewarp.json_stood_for(
    pgtimewarp.json_stand_in(p_json::text, false)::json #>> ARRAY(
      SELECT pgtimewarp.json_stand_in(substr(to_json(u.step)::text, 2, length(to_json(u.step)::text) - 2), false)
        FROM unnest(p_path) WITH ORDINALITY AS u (step, place) ORDER BY u.place), true);
EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
  RETURN NULL;
END $$;

CREATE FUNCTION pgtimewarp.keys_by_number(p_relation_id integer, p_lsn pg_lsn, p_after text, p_descending boolean, p_limit integer, p_budget integer) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    AS $_$
DECLARE
  after numeric := (p_after::json ->> 0)::numeric;
  keys text[] := '{}';
  steps int := 0;
  is_negative boolean;
  is_upwards boolean;
  sign text;
  digits int;
  lowest numeric;
  highest numeric;
  place record;
BEGIN
  FOR side IN 1..2 LOOP
    is_negative := (side = 1) <> p_descending;
    is_upwards := is_negative = p_descending;
    sign := CASE WHEN is_negative THEN '-' ELSE '' END;
    FOR nth IN 1..19 LOOP
      digits := CASE WHEN is_upwards THEN nth ELSE 20 - nth END;
      -- the numbers of this side without their signs
      lowest := CASE WHEN digits = 1 THEN 0 ELSE ('1' || repeat('0', digits - 1))::numeric END;
      highest := repeat('9', digits)::numeric;
      IF after IS NOT NULL THEN
        CONTINUE WHEN CASE WHEN p_descending THEN
          CASE WHEN is_negative THEN -highest >= after ELSE lowest >= after END
          ELSE CASE WHEN is_negative THEN -lowest <= after ELSE highest <= after END END;
        IF is_upwards THEN
          lowest := GREATEST(lowest, CASE WHEN is_negative THEN -after ELSE after END + 1);
        ELSE
          highest := LEAST(highest, CASE WHEN is_negative THEN -after ELSE after END - 1);
        END IF;
      END IF;
      FOR place IN EXECUTE format(CASE WHEN is_upwards THEN $up$
          WITH RECURSIVE walk AS (
            SELECT NULL::text COLLATE "C" AS found, $1::numeric AS seek
             UNION ALL
            SELECT n.digits, CASE WHEN length(n.digits) < $2 THEN rpad(n.digits, $2, '0')::numeric ELSE left(n.digits, $2)::numeric + 1 END
              FROM walk AS w
             CROSS JOIN LATERAL (
                   SELECT substr(c.pk, 3 + length($3), length(c.pk) - 4 - length($3)) AS digits
                     FROM pgtimewarp.row_changes AS c
                    WHERE c.relation_id = %1$s AND c.pk >= '["' || $3 || w.seek AND c.pk < '["' || $3 || ':' AND c.valid_from_lsn <= $4
                    ORDER BY c.pk LIMIT 1) AS n
             WHERE w.seek <= $5)
          SELECT w.found, length(w.found) = $2 AS is_key FROM walk AS w WHERE w.found IS NOT NULL$up$ ELSE $down$
          WITH RECURSIVE walk AS (
            SELECT NULL::text COLLATE "C" AS found, $5::numeric AS seek
             UNION ALL
            SELECT n.digits, CASE WHEN length(n.digits) = $2 THEN n.digits::numeric - 1
                                  WHEN length(n.digits) > $2 THEN left(n.digits, $2)::numeric
                                  WHEN length((n.digits::numeric - 1)::text) < length(n.digits) OR n.digits IN ('0', '1') THEN $1 - 1
                                  ELSE rpad((n.digits::numeric - 1)::text, $2, '9')::numeric END
              FROM walk AS w
             CROSS JOIN LATERAL (
                   SELECT substr(c.pk, 3 + length($3), length(c.pk) - 4 - length($3)) AS digits
                     FROM pgtimewarp.row_changes AS c
                    WHERE c.relation_id = %1$s AND c.pk <= '["' || $3 || w.seek || '"]' AND c.pk >= '["' || $3 || '0' AND c.valid_from_lsn <= $4
                    ORDER BY c.pk DESC LIMIT 1) AS n
             WHERE w.seek >= $1)
          SELECT w.found, length(w.found) = $2 AS is_key FROM walk AS w WHERE w.found IS NOT NULL$down$ END, p_relation_id)
        USING lowest, digits, sign, p_lsn, highest
      LOOP
        steps := steps + 1;
        IF steps > p_budget THEN
          RETURN NULL;
        END IF;
        -- what the walk finds beyond its end is of no interest
        CONTINUE WHEN NOT place.is_key OR place.found::numeric NOT BETWEEN lowest AND highest;
        keys := keys || ('["' || sign || place.found || '"]');
        IF cardinality(keys) >= p_limit THEN
          RETURN keys;
        END IF;
      END LOOP;
    END LOOP;
  END LOOP;
  RETURN keys;
END $_$;

CREATE FUNCTION pgtimewarp.lineage(p_node_id text) RETURNS TABLE(node_id text, lsn_space integer, applied_lsn pg_lsn, applied_ts timestamp with time zone)
    LANGUAGE sql STABLE ROWS 2
    AS $$
  SELECT c.node_id, c.lsn_space, c.applied_lsn, c.applied_ts
    FROM pgtimewarp.nodes own
    JOIN pgtimewarp.nodes n ON n.system_identifier = own.system_identifier AND n.timeline = own.timeline
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = n.node_id
   WHERE own.node_id = p_node_id
     -- leaves out a node that a wrong clock has put into the future, so that a new node can begin (see trusted-clock.ts)
     AND (c.node_id = p_node_id OR c.applied_ts <= clock_timestamp() + interval '60 seconds')
$$;

CREATE FUNCTION pgtimewarp.lineage_marks(p_node_id text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT string_agg(concat_ws(' ', l.node_id, l.lsn_space, l.applied_lsn, l.applied_ts), ',' ORDER BY l.node_id)
    FROM pgtimewarp.lineage(p_node_id) l WHERE l.node_id <> p_node_id
$$;

CREATE FUNCTION pgtimewarp.lock_lineage(p_node_id text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1885828204, hashtext(concat(n.system_identifier, ' ', n.timeline)))
     FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id;
  RETURN pgtimewarp.lineage_marks(p_node_id); -- sees commits of others from while this waited
END $$;

CREATE FUNCTION pgtimewarp.lower_by_letter(p_value text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF octet_length(p_value) = length(p_value) THEN
    RETURN lower(p_value COLLATE "C");
  END IF;
  RETURN (SELECT string_agg(CASE letter WHEN chr(304) THEN 'i' ELSE lower(letter COLLATE "und-x-icu") END, '' ORDER BY place)
            FROM string_to_table(p_value, NULL) WITH ORDINALITY AS t (letter, place));
END $$;

CREATE FUNCTION pgtimewarp.may_have_changed(p_changed json, p_before_columns pgtimewarp.row_filter[], p_before json, p_before_incomplete text[], p_before_lsn pg_lsn, p_columns pgtimewarp.row_filter[], p_row json, p_incomplete text[], p_lsn pg_lsn) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  column_filter pgtimewarp.row_filter;
  names text[] := '{}';
BEGIN
  FOREACH column_filter IN ARRAY p_before_columns LOOP
    names := names || pgtimewarp.names_at(column_filter, p_before, p_before_incomplete, p_before_lsn);
  END LOOP;
  FOREACH column_filter IN ARRAY p_columns LOOP
    names := names || pgtimewarp.names_at(column_filter, p_row, p_incomplete, p_lsn);
  END LOOP;
  RETURN coalesce(names && (p_before_incomplete || p_incomplete), false)
    OR EXISTS (SELECT FROM unnest(names) AS u (name) WHERE pgtimewarp.json_has(p_changed, u.name));
END $$;

CREATE FUNCTION pgtimewarp.moment_of(p_node_id text, p_schema text, p_table text, p_space integer, p_lsn pg_lsn, OUT at_ts timestamp with time zone, OUT is_exact boolean, OUT next_ts timestamp with time zone) RETURNS record
    LANGUAGE sql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  WITH periods AS (
    SELECT p.* FROM pgtimewarp.relation_periods AS p
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table),
  gaps AS (
    SELECT g.* FROM pgtimewarp.history_gaps AS g
     WHERE g.node_id = p_node_id AND g.lsn_space = p_space
       AND (g.relation_id IS NULL OR g.relation_id IN (SELECT p.relation_id FROM periods AS p))),
  moment AS (
    SELECT c.lsn, c.ts FROM pgtimewarp.commit_at_lsn(p_node_id, p_space, p_lsn) AS c
     UNION ALL
    (SELECT m.lsn, m.ts FROM pgtimewarp.lsn_time_map AS m
      WHERE m.node_id = p_node_id AND m.lsn_space = p_space AND m.lsn > p_lsn ORDER BY m.lsn LIMIT 1)
     UNION ALL
    SELECT c.applied_lsn, c.applied_ts FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = p_node_id AND c.lsn_space = p_space
     UNION ALL
    SELECT e.lsn, e.ts FROM periods AS p
     CROSS JOIN LATERAL (VALUES (p.tracked_from_lsn, p.tracked_from_ts), (p.tracked_to_lsn, p.tracked_to_ts)) AS e (lsn, ts)
     WHERE p.lsn_space = p_space
     UNION ALL
    SELECT e.lsn, e.ts FROM gaps AS g
     CROSS JOIN LATERAL (VALUES (g.from_lsn, g.from_ts), (g.to_lsn, g.to_ts)) AS e (lsn, ts)
     UNION ALL
    SELECT x.expired_before_lsn, x.expired_before_ts FROM periods AS p
      JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
     WHERE p.lsn_space = p_space)
  SELECT max(m.ts) FILTER (WHERE m.lsn <= p_lsn), coalesce(bool_or(m.lsn = p_lsn), false), min(m.ts) FILTER (WHERE m.lsn > p_lsn)
    FROM moment AS m
$$;

CREATE FUNCTION pgtimewarp.names_at(p_filter pgtimewarp.row_filter, p_row json, p_incomplete text[], p_lsn pg_lsn) RETURNS text[]
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  names text[];
BEGIN
  IF cardinality(p_filter.names) = 1 THEN
    RETURN p_filter.names;
  END IF;
  names := ARRAY(
    SELECT u.name FROM unnest(p_filter.names, p_filter.since, p_filter.until) AS u (name, since, until)
     WHERE u.since < p_lsn AND (u.until IS NULL OR p_lsn <= u.until)
       AND (pgtimewarp.json_has(p_row, u.name) OR u.name = ANY (p_incomplete)));
  RETURN CASE WHEN names = '{}' THEN p_filter.names ELSE names END;
END $$;

CREATE FUNCTION pgtimewarp.net_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.history_change
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
  chunk int := 2000; -- grows, because each one may read all changes of the interval again
  chunk_bytes bigint;
  ends record;
  place record;
  first record;
  last record;
  filters pgtimewarp.row_filter[];
  first_filters pgtimewarp.row_filter[]; -- of the period of the row before
  changed pgtimewarp.row_filter[];
  first_changed pgtimewarp.row_filter[]; -- likewise
  ops text[] := CASE WHEN p_filter ? 'op' THEN ARRAY(SELECT jsonb_array_elements_text(p_filter -> 'op')) END;
  candidates text; -- the statement that gives a page of keys
  touched text;    -- with `by`: the statement that returns those of the keys $1 that such a transaction changed
  is_emptied boolean;
  has_virtual boolean;
  event pgtimewarp.relation_events;
  result pgtimewarp.history_change;
  keys text[];
  touched_keys text[];
  at_pk text := coalesce(p_after_pk, '');
  c record;
  given int := 0;
  bytes bigint := 0;
  periods int := 0;
  before pg_lsn;
  part json;
  source text; -- of the changes of a period
  upto text;   -- the condition that the part has the key
BEGIN
  PERFORM pgtimewarp.refuse_operations(p_filter, 'net changes', '{I,U,D}');
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  PERFORM pgtimewarp.row_filters((ends.to_at).period, p_filter -> 'where', true);
  PERFORM pgtimewarp.changed_filter((ends.to_at).period, p_filter -> 'changed', true);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d ORDER BY (d.period).relation_id
  LOOP
    before := pgtimewarp.archived_before(place.period, place.lower_lsn);
    IF before IS NOT NULL OR part IS NOT NULL THEN
      IF periods > 0 OR (ends.to_at).period <> place.period THEN
        PERFORM pgtimewarp.archived_part(NULL, place.period, coalesce(before, '0/0'), place.lower_lsn, place.upper_lsn);
      END IF;
      part := pgtimewarp.archived_part(
        p_archived, place.period, before, place.lower_lsn, place.upper_lsn, 'versions', coalesce(p_after_pk, ''));
      upto := ' AND r.pk <= ' || quote_literal(part -> 'keys' ->> 'upto');
      chunk := 1000; -- a part of the archive has no index
    END IF;
    periods := periods + 1;
    source := pgtimewarp.changes_source((place.period).relation_id, part);
    first := coalesce(first, place);
    last := place;
    is_emptied := false;
    FOR event IN
      SELECT e.* FROM pgtimewarp.relation_events AS e
       WHERE e.relation_id = (place.period).relation_id AND e.op = 'T' AND e.lsn > place.lower_lsn AND e.lsn <= place.upper_lsn
         AND pgtimewarp.context_matches(
               (SELECT x.context FROM pgtimewarp.context_at(p_node_id, (place.period).lsn_space, e.lsn, e.seq, e.xid) AS x), p_filter -> 'by')
    LOOP
      is_emptied := true;
      touched := concat_ws(' UNION ALL ', touched, format(
        'SELECT ($1)[b.place] AS pk
           FROM pgtimewarp.rows_before(%1$s, %2$L, %3$L, $1, array_fill(%4$L::pg_lsn, ARRAY[cardinality($1)]),
                                       array_fill(%5$s, ARRAY[cardinality($1)]), p_part => %7$L) AS b
          WHERE b.is_there AND (%6$L::int IS NULL OR b.leaf_id = %6$L::int)', event.relation_id, (place.period).tracked_from_lsn,
        place.through, event.lsn, event.seq, event.leaf_id, part));
    END LOOP;
    touched := concat_ws(' UNION ALL ', touched, format(
      'SELECT r.pk FROM ' || replace(source, '%', '%%') || ' AS r
        WHERE r.relation_id = %s AND r.pk = ANY ($1) AND r.valid_from_lsn > %L AND r.valid_from_lsn <= %L
          AND pgtimewarp.context_matches((SELECT x.context FROM pgtimewarp.context_at(%L, %s, r.valid_from_lsn, r.seq, r.xid) AS x), $2)',
      (place.period).relation_id, place.lower_lsn, place.upper_lsn, p_node_id, (place.period).lsn_space));
    candidates := concat_ws(' UNION ', candidates, format(
      '(SELECT DISTINCT r.pk FROM ' || replace(source, '%', '%%') || ' AS r
         WHERE r.relation_id = %s AND r.pk > $1 AND r.valid_from_lsn > %L AND r.valid_from_lsn <= %L%s%s
         ORDER BY r.pk LIMIT $2)', (place.period).relation_id, place.lower_lsn, place.upper_lsn, upto,
      CASE WHEN p_filter ? 'by' THEN format(
        ' AND pgtimewarp.context_matches((SELECT x.context FROM pgtimewarp.context_at(%L, %s, r.valid_from_lsn, r.seq, r.xid) AS x), $3)',
        p_node_id, (place.period).lsn_space) END),
      -- a TRUNCATE, or a gap between two periods, may have changed every row
      CASE WHEN coalesce(NOT p_filter ? 'written', true) AND (is_emptied OR coalesce(NOT p_filter ? 'by', true)
                AND (place.starts_inside OR (ends.to_at).period <> place.period)) THEN format(
        '(SELECT DISTINCT r.pk FROM ' || replace(source, '%', '%%') || ' AS r
           WHERE r.relation_id = %s AND r.pk > $1 AND r.valid_from_lsn <= %L%s ORDER BY r.pk LIMIT $2)',
        (place.period).relation_id, place.upper_lsn, upto) END);
  END LOOP;
  IF candidates IS NULL THEN
    RETURN;
  END IF;
  candidates := 'SELECT array_agg(k.pk ORDER BY k.pk) FROM (SELECT u.pk FROM (' || candidates || ') AS u ORDER BY u.pk LIMIT $2) AS k';
  result.relation_id := (last.period).relation_id;
  has_virtual := EXISTS (SELECT FROM pgtimewarp.virtual_columns AS w WHERE w.relation_id = (last.period).relation_id);
  filters := pgtimewarp.row_filters(last.period, p_filter -> 'where', false);
  first_filters := pgtimewarp.row_filters(first.period, p_filter -> 'where', false);
  changed := pgtimewarp.changed_filter(last.period, p_filter -> 'changed', false);
  first_changed := pgtimewarp.changed_filter(first.period, p_filter -> 'changed', false);
  LOOP
    EXECUTE candidates INTO keys USING at_pk, chunk, p_filter -> 'by';
    EXIT WHEN keys IS NULL;
    chunk_bytes := bytes;
    IF p_filter ? 'by' THEN
      EXECUTE 'SELECT array_agg(DISTINCT t.pk) FROM (' || touched || ') AS t' INTO touched_keys USING keys, p_filter -> 'by';
    END IF;
    FOR c IN
      SELECT keys[b.place] AS pk, b.is_there AS was_there, b.row_data AS before, b.json_nulls AS before_nulls, b.incomplete AS before_incomplete,
             b.nulls_assumed AS before_assumed, b.lsn AS before_lsn,
             b.seq AS before_seq, a.*, t.lsn AS cut_lsn, t.seq AS cut_seq, t.ts AS cut_ts, t.xid AS cut_xid, x.context
        FROM pgtimewarp.rows_before((first.period).relation_id, (first.period).tracked_from_lsn, first.through, keys,
               array_fill(first.lower_lsn, ARRAY[cardinality(keys)]), array_fill(2147483647, ARRAY[cardinality(keys)]),
               (first.period).baseline_state = 'done'
                 AND first.lower_lsn >= coalesce((first.period).unseen_unknown_before_lsn, (first.period).tracked_from_lsn), part) AS b
        JOIN pgtimewarp.rows_before((last.period).relation_id, (last.period).tracked_from_lsn, last.through, keys,
               array_fill(last.upper_lsn, ARRAY[cardinality(keys)]), array_fill(2147483647, ARRAY[cardinality(keys)]),
               (last.period).baseline_state = 'done'
                 AND last.upper_lsn >= coalesce((last.period).unseen_unknown_before_lsn, (last.period).tracked_from_lsn), part) AS a
          ON a.place = b.place
        LEFT JOIN LATERAL (
             SELECT e.lsn, e.seq, e.ts, e.xid
               FROM pgtimewarp.truncates_after((last.period).relation_id, a.lsn, a.seq, a.op, a.leaf_id) AS e
              WHERE a.op <> 'D' AND a.is_there IS FALSE AND e.lsn <= last.upper_lsn
              ORDER BY e.lsn, e.seq LIMIT 1) AS t ON true
        LEFT JOIN LATERAL pgtimewarp.context_at(
             p_node_id, (last.period).lsn_space, coalesce(t.lsn, a.lsn, (last.period).tracked_from_lsn), coalesce(t.seq, a.seq, 0),
             CASE WHEN t.lsn IS NOT NULL THEN t.xid ELSE a.xid END) AS x ON true
       ORDER BY b.place
    LOOP
      CONTINUE WHEN p_filter ? 'by' AND NOT coalesce(c.pk = ANY (touched_keys), false);
      CONTINUE WHEN c.is_there IS NULL OR c.was_there IS FALSE AND NOT c.is_there;
      result.op := CASE WHEN NOT c.is_there THEN 'D' WHEN c.was_there IS FALSE THEN 'I' ELSE 'U' END;
      CONTINUE WHEN NOT result.op = ANY (ops) OR changed IS NOT NULL AND (result.op <> 'U' OR c.was_there IS NULL);
      result.changed := CASE WHEN result.op = 'U' AND c.was_there
        THEN pgtimewarp.changed_columns(c.before, c.before_nulls, c.row_data, c.json_nulls) END;
      -- two versions may differ in a column whose value is not known
      CONTINUE WHEN result.changed::text = '{}'
        AND (c.before_lsn = c.lsn AND c.before_seq = c.seq OR c.before_incomplete IS NULL AND c.incomplete IS NULL);
      CONTINUE WHEN changed IS NOT NULL AND NOT pgtimewarp.may_have_changed(
        result.changed, first_changed, c.before, c.before_incomplete, c.before_lsn, changed, c.row_data, c.incomplete, c.lsn);
      CONTINUE WHEN filters <> '{}'
        AND NOT (c.is_there AND pgtimewarp.row_matches(c.row_data, c.json_nulls, c.incomplete, c.lsn, filters))
        AND NOT (c.was_there IS TRUE AND pgtimewarp.row_matches(c.before, c.before_nulls, c.before_incomplete, c.before_lsn, first_filters));
      result.pk := c.pk;
      result.before := CASE WHEN c.was_there THEN c.before END;
      result.after := CASE WHEN c.is_there THEN c.row_data END;
      result.lsn := coalesce(c.cut_lsn, c.lsn, (last.period).tracked_from_lsn);
      result.seq := coalesce(c.cut_seq, c.seq, 0);
      result.ts := CASE WHEN c.cut_lsn IS NOT NULL THEN c.cut_ts ELSE coalesce(c.ts, (last.period).tracked_from_ts) END;
      result.xid := CASE WHEN c.cut_lsn IS NOT NULL THEN c.cut_xid ELSE c.xid END;
      result.context := c.context;
      result.incomplete := CASE WHEN has_virtual OR c.before_incomplete IS NOT NULL OR c.incomplete IS NOT NULL THEN
        pgtimewarp.incomplete_of_change(
          result.relation_id, result.ts, CASE WHEN c.was_there THEN c.before_incomplete END, CASE WHEN c.is_there THEN c.incomplete END) END;
      result.assumes := CASE WHEN c.was_there AND c.before_assumed OR c.is_there AND c.nulls_assumed THEN 'no-nan' END;
      RETURN NEXT result;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(result.context::text), 0) + coalesce(octet_length(result.before::text), 0) + coalesce(octet_length(result.after::text), 0);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN cardinality(keys) < chunk;
    at_pk := keys[cardinality(keys)];
    IF coalesce(NOT p_filter ? 'by', true) AND bytes + 2 * (bytes - chunk_bytes) <= p_max_bytes THEN -- `by` compares every key with touched_keys
      chunk := least(chunk * 2, CASE WHEN part IS NULL THEN 65536 ELSE 1000 END);
    END IF;
  END LOOP;
END $_$;

CREATE FUNCTION pgtimewarp.node_activity(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_begin timestamp with time zone, p_end timestamp with time zone, p_buckets integer, p_only jsonb DEFAULT NULL::jsonb) RETURNS TABLE(from_ts timestamp with time zone, to_ts timestamp with time zone, commits bigint, inserts bigint, updates bigint, deletes bigint, truncates bigint, largest bigint)
    LANGUAGE plpgsql STABLE ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET max_parallel_workers_per_gather TO '0'
    SET enable_hashagg TO 'off'
    SET work_mem TO '16MB'
    AS $_$
#variable_conflict use_column
DECLARE
  MICROSECOND CONSTANT interval := '1 microsecond';
  now_space int := (SELECT c.lsn_space FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = p_node_id);
  micros numeric := extract(epoch FROM p_end) * 1000000 - extract(epoch FROM p_begin) * 1000000;
  edges timestamptz[];
  place record;
  changes text;
BEGIN
  IF p_begin IS NULL OR p_end IS NULL THEN
    RETURN;
  END IF;
  -- hours and a remainder, because an interval times a number is exact only for numbers that a double can hold
  edges := ARRAY(
    SELECT p_begin + make_interval(hours => div(e.micros, 3600000000)::int) + mod(e.micros, 3600000000)::float8 * MICROSECOND
      FROM (SELECT i, div(micros * i, p_buckets) AS micros FROM generate_series(0, p_buckets) AS i) AS e
     ORDER BY e.i);
  FOR place IN
    SELECT p.relation_id, p.lsn_space,
           greatest(
             CASE WHEN p_from_lsn IS NOT NULL THEN p_from_lsn
                  WHEN p_from_ts IS NOT NULL THEN (SELECT m.lsn FROM pgtimewarp.commit_at_time(p_node_id, p.lsn_space, p_from_ts) AS m)
             END, x.expired_before_lsn, '0/0') AS after,
           coalesce(
             CASE WHEN p_to_lsn IS NOT NULL AND p.lsn_space = now_space THEN p_to_lsn
                  WHEN p_to_ts IS NOT NULL THEN (SELECT coalesce(m.lsn, '0/0') FROM (SELECT) AS one
                                                   LEFT JOIN pgtimewarp.commit_at_time(p_node_id, p.lsn_space, p_to_ts) AS m ON true)
             END, 'FFFFFFFF/FFFFFFFF') AS upto
      FROM pgtimewarp.relation_periods AS p
      LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND (p_from_lsn IS NULL OR p.lsn_space = now_space)
       AND (p_from_ts IS NULL OR (p.tracked_to_ts > p_from_ts) IS NOT FALSE)
       AND (p_to_ts IS NULL OR p.tracked_from_ts < p_to_ts)
       AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_only)
  LOOP
    PERFORM pgtimewarp.refuse_archived(place.relation_id, place.after);
    changes := concat_ws(' UNION ALL ', changes, format(
      'SELECT %1$s AS lsn_space, r.valid_from_lsn AS lsn, r.valid_from_ts AS ts, r.op
         FROM pgtimewarp.row_changes AS r
        WHERE r.relation_id = %2$s AND r.valid_from_lsn > %3$L AND r.valid_from_lsn <= %4$L AND r.xid IS NOT NULL
        UNION ALL
       SELECT %1$s, e.lsn, e.ts, e.op
         FROM pgtimewarp.relation_events AS e
        WHERE e.relation_id = %2$s AND e.op = ''T'' AND e.lsn > %3$L AND e.lsn <= %4$L',
      place.lsn_space, place.relation_id, place.after, place.upto));
  END LOOP;
  RETURN QUERY EXECUTE format('
    SELECT $1[b.bucket + 1], $1[b.bucket + 2], coalesce(n.commits, 0), coalesce(n.inserts, 0), coalesce(n.updates, 0),
           coalesce(n.deletes, 0), coalesce(n.truncates, 0), coalesce(n.largest, 0)
      FROM generate_series(0, $2 - 1) AS b (bucket)
      LEFT JOIN (
           SELECT width_bucket(t.ts, $3) AS bucket, count(*) AS commits, sum(t.inserts)::bigint AS inserts,
                  sum(t.updates)::bigint AS updates, sum(t.deletes)::bigint AS deletes, sum(t.truncates)::bigint AS truncates,
                  max(t.inserts + t.updates + t.deletes) AS largest
             FROM (SELECT c.ts,
                          count(*) FILTER (WHERE c.op = ''I'') AS inserts,
                          count(*) FILTER (WHERE c.op = ''U'') AS updates,
                          count(*) FILTER (WHERE c.op = ''D'') AS deletes,
                          count(*) FILTER (WHERE c.op = ''T'') AS truncates
                     FROM (%s) AS c
                    GROUP BY c.lsn_space, c.lsn, c.ts) AS t
            GROUP BY 1) AS n ON n.bucket = b.bucket
     ORDER BY b.bucket', coalesce(changes, 'SELECT 1 AS lsn_space, ''0/0''::pg_lsn AS lsn, now() AS ts, ''I''::"char" AS op WHERE false'))
    USING edges, p_buckets,
          -- an interval includes its end: the next one begins a microsecond later
          ARRAY(SELECT e.edge + MICROSECOND FROM unnest(edges[2:p_buckets]) WITH ORDINALITY AS e (edge, place) ORDER BY e.place);
END $_$;

CREATE FUNCTION pgtimewarp.node_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_only jsonb DEFAULT NULL::jsonb) RETURNS TABLE(from_ts timestamp with time zone, to_ts timestamp with time zone, horizon_lsn pg_lsn, horizon_ts timestamp with time zone, unknown json, final boolean)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
  IF p_table IS NOT NULL OR NOT EXISTS (SELECT FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id) THEN
    PERFORM pgtimewarp.position_at(p_node_id, coalesce(p_schema, ''), coalesce(p_table, ''), NULL, NULL); -- raises an error if the node or the table is not there
  END IF;
  SELECT c.applied_lsn, c.applied_ts INTO horizon_lsn, horizon_ts FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id;
  WITH frames AS MATERIALIZED (
    SELECT t.schema_name, t.table_name, f.*
      FROM (SELECT DISTINCT p.schema_name, p.table_name FROM pgtimewarp.relation_periods p
             WHERE p.node_id = p_node_id
               AND (p_table IS NULL OR p.schema_name = p_schema AND p.table_name = p_table)
               AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_only)) AS t
     CROSS JOIN LATERAL pgtimewarp.table_frame(
           p_node_id, t.schema_name, t.table_name, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn) AS f),
  holes AS (
    SELECT h.hole ->> 'from' AS hole_from, h.hole ->> 'to' AS hole_to, h.hole ->> 'reason' AS reason,
           json_agg(json_build_object('schema', f.schema_name, 'table', f.table_name) ORDER BY f.schema_name, f.table_name) AS tables
      FROM frames AS f, json_array_elements(f.unknown) AS h (hole)
     GROUP BY 1, 2, 3)
  SELECT min(f.from_ts), max(f.to_ts), coalesce(bool_and(f.final), false), coalesce((
           SELECT json_agg(json_build_object('from', h.hole_from, 'to', h.hole_to, 'reason', h.reason, 'tables', h.tables)
                           ORDER BY h.hole_from NULLS FIRST, h.reason) FROM holes AS h), '[]')
    INTO from_ts, to_ts, final, unknown
    FROM frames AS f;
  from_ts := coalesce(from_ts, p_from_ts);
  to_ts := coalesce(to_ts, p_to_ts, horizon_ts);
  RETURN NEXT;
END $$;

CREATE FUNCTION pgtimewarp.node_transactions(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_space integer, p_after_ts timestamp with time zone, p_after_lsn pg_lsn, p_limit integer, p_max_bytes bigint DEFAULT NULL::bigint, p_archived json DEFAULT NULL::json) RETURNS TABLE(lsn_space integer, lsn pg_lsn, ts timestamp with time zone, xid bigint, context json, tables json, rows bigint)
    LANGUAGE plpgsql STABLE ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
  now_space int := (SELECT c.lsn_space FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id);
  chunk int := least(greatest(p_limit, 50), 1000);
  relations int[] := CASE WHEN p_filter ? 'only' THEN ARRAY(
    SELECT p.relation_id FROM pgtimewarp.relation_periods AS p
     WHERE p.node_id = p_node_id AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_filter -> 'only')) END;
  seen int;
  given int := 0;
  bytes bigint := 0;
  at record;
  commits text;
  picked record;
  c record;
BEGIN
  PERFORM pgtimewarp.refuse_operations(p_filter, 'transactions', '{I,U,D,T}');
  -- a value that few contexts have leads to its commits; where many have it, some are soon met on the way back in time
  SELECT b.spaces, b.lsns INTO picked FROM pgtimewarp.commits_by(p_node_id, p_filter -> 'by', 2000) AS b;
  SELECT p_after_ts AS ts, p_after_space AS space, p_after_lsn AS lsn INTO at;
  LOOP
    -- a condition that is not requested is left out: the planner estimates that better than a NULL parameter
    commits := concat(
      'SELECT m.lsn_space, m.lsn, m.ts, m.xid FROM pgtimewarp.lsn_time_map AS m WHERE m.node_id = $1 AND m.xid IS NOT NULL',
      -- an end that is an LSN finds its place by the time. The CASE hides the LSN from the planner, which would take the two for
      -- independent conditions, expect hardly any rows, and sort the whole interval for a page of it
      CASE WHEN p_from_lsn IS NOT NULL
             THEN ' AND m.ts >= coalesce($3, ''-infinity'') AND CASE WHEN m.lsn_space = $2 THEN m.lsn > $4 ELSE false END'
           WHEN p_from_ts IS NOT NULL THEN ' AND m.ts > $3' END,
      CASE WHEN p_to_lsn IS NOT NULL
             THEN ' AND m.ts <= $5 AND CASE WHEN m.lsn_space = $2 THEN m.lsn <= $6 ELSE m.lsn_space < $2 END'
           WHEN p_to_ts IS NOT NULL THEN ' AND m.ts <= $5' END,
      CASE WHEN p_filter ? 'xid' THEN ' AND m.xid = $7' END,
      CASE WHEN p_filter ? 'lsn' THEN ' AND m.lsn = $8' END,
      CASE WHEN picked.lsns IS NOT NULL
             THEN ' AND (m.lsn_space, m.lsn) IN (SELECT u.lsn_space, u.lsn FROM unnest($12, $13) AS u (lsn_space, lsn))'
           WHEN p_filter ? 'by'
             THEN ' AND EXISTS (SELECT FROM pgtimewarp.transaction_contexts AS s
                                 WHERE s.node_id = $1 AND s.lsn_space = m.lsn_space AND s.lsn = m.lsn
                                   AND pgtimewarp.context_matches(s.context, $14))' END,
      CASE WHEN at.lsn IS NOT NULL THEN ' AND (m.ts, m.lsn_space, m.lsn) < ($9, $10, $11)' END,
      ' ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT ', chunk);
    EXECUTE 'SELECT array_agg(k.lsn_space) AS spaces, array_agg(k.lsn) AS lsns, array_agg(k.ts) AS times, array_agg(k.xid) AS xids
               FROM (' || commits || ') AS k'
       INTO c
      USING p_node_id, now_space, coalesce(p_from_ts, pgtimewarp.time_at(p_node_id, now_space, p_from_lsn)), p_from_lsn,
            coalesce(p_to_ts, pgtimewarp.time_at(p_node_id, now_space, p_to_lsn), 'infinity'), p_to_lsn,
            (p_filter ->> 'xid')::bigint, (p_filter ->> 'lsn')::pg_lsn, at.ts, at.space, at.lsn,
            picked.spaces, picked.lsns, p_filter -> 'by';
    seen := coalesce(cardinality(c.lsns), 0);
    EXIT WHEN seen = 0;
    FOR lsn_space, lsn, ts, xid, context, tables, rows IN
      SELECT u.lsn_space, u.lsn, u.ts, u.xid, x.context, d.tables, d.rows
        FROM unnest(c.spaces, c.lsns, c.times, c.xids) WITH ORDINALITY AS u (lsn_space, lsn, ts, xid, place)
       CROSS JOIN LATERAL (
             SELECT (SELECT s.context FROM pgtimewarp.transaction_contexts AS s
                      WHERE s.node_id = p_node_id AND s.lsn_space = u.lsn_space AND s.lsn = u.lsn
                        AND (relations IS NULL OR s.relation_ids && relations)
                      ORDER BY s.seq DESC LIMIT 1) AS context) AS x
        JOIN pgtimewarp.commit_tables(p_node_id, c.spaces, c.lsns, p_filter, p_archived) AS d ON d.lsn_space = u.lsn_space AND d.lsn = u.lsn
       WHERE relations IS NULL OR NOT p_filter ? 'by' OR EXISTS (
             SELECT FROM pgtimewarp.transaction_contexts AS s
              WHERE s.node_id = p_node_id AND s.lsn_space = u.lsn_space AND s.lsn = u.lsn AND s.relation_ids && relations
                AND pgtimewarp.context_matches(s.context, p_filter -> 'by'))
       ORDER BY u.place
    LOOP
      RETURN NEXT;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(context::text), 0) + octet_length(tables::text);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN seen < chunk;
    SELECT c.times[seen] AS ts, c.spaces[seen] AS space, c.lsns[seen] AS lsn INTO at;
    chunk := least(chunk * 2, 5000);
  END LOOP;
END $_$;

CREATE FUNCTION pgtimewarp.past_named(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_row json, p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone, OUT row_data json, OUT incomplete text[]) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION pgtimewarp.past_names(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, OUT settled_lsn pg_lsn, OUT added text[], OUT added_since pg_lsn[]) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pgtimewarp.tracked_relations t
                  WHERE t.relation_id = p_period.relation_id AND t.relid = p_relid)
     -- renamed, or exchanged, since the last run
     OR EXISTS (SELECT FROM jsonb_each_text(p_columns) AS w
                  JOIN jsonb_array_elements(p_period.columns) AS c (facts) ON c.facts ->> 'attnum' = w.key
                 WHERE c.facts ->> 'name' <> w.value) THEN
    RETURN;
  END IF;
  SELECT coalesce(max(greatest((c.facts ->> 'since_lsn')::pg_lsn, f.until)) FILTER (WHERE c.facts ? 'former_names'), '0/0'),
         coalesce(array_agg(c.facts ->> 'name' ORDER BY c.facts ->> 'attnum') FILTER (WHERE is_added), '{}'),
         coalesce(array_agg((c.facts ->> 'since_lsn')::pg_lsn ORDER BY c.facts ->> 'attnum') FILTER (WHERE is_added), '{}')
    INTO settled_lsn, added, added_since
    FROM jsonb_array_elements(p_period.columns) AS c (facts)
   CROSS JOIN LATERAL (
         SELECT NOT c.facts ? 'former_names' AND (c.facts ->> 'since_lsn')::pg_lsn > '0/0' AS is_added) AS a
   CROSS JOIN LATERAL (
         SELECT max((n.was ->> 'until_lsn')::pg_lsn) AS until
           FROM jsonb_array_elements(coalesce(c.facts -> 'former_names', '[]')) AS n (was)) AS f;
END $$;

CREATE FUNCTION pgtimewarp.past_not_live(p_at pgtimewarp.history_position, p_question jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  period pgtimewarp.relation_periods := p_at.period;
  source jsonb := p_question -> 'source';
  seen pg_lsn := source ->> 'lsn';
  slot text := (SELECT n.slot_name FROM pgtimewarp.nodes n WHERE n.node_id = period.node_id);
BEGIN
  RETURN CASE
    WHEN source ? 'why' OR seen IS NULL THEN coalesce(source ->> 'why', 'asked')
    WHEN source ->> 'slot' <> slot OR source ->> 'slot_lsn' IS NULL THEN format('the slot %s is not in this database', slot)
    WHEN (source ->> 'slot_lsn')::pg_lsn < seen OR p_at.horizon_lsn < seen THEN 'no run has read up to this statement yet'
    WHEN NOT p_at.is_open THEN 'the table is not tracked any more, or was tracked anew'
    WHEN to_jsonb(period.pk_columns) <> source -> 'keys' THEN 'the key of the table is another one'
    WHEN EXISTS (SELECT FROM pgtimewarp.tracked_relations t
                  WHERE t.relation_id = period.relation_id AND t.status <> 'active')
      OR EXISTS (SELECT FROM pgtimewarp.history_gaps g
                  WHERE g.node_id = period.node_id AND (g.relation_id IS NULL OR g.relation_id = period.relation_id)
                    AND g.to_ts IS NULL) THEN 'a gap is open'
    WHEN EXISTS (SELECT FROM pgtimewarp.relation_leaves l
                  WHERE l.relation_id = period.relation_id AND l.attached AND NOT l.checked)
      THEN 'it is not known yet whether a new partition came with rows'
    WHEN EXISTS (SELECT FROM pgtimewarp.relation_events e
                  WHERE e.relation_id = period.relation_id AND e.op = 'T' AND e.lsn > p_at.lsn) THEN 'the table was truncated since'
  END;
END $$;

CREATE FUNCTION pgtimewarp.past_rows(p_at pgtimewarp.history_position, p_question jsonb, p_live boolean) RETURNS TABLE(pk text, row_data json, json_nulls text[], is_computed boolean, unread bigint, lacking bigint)
    LANGUAGE plpgsql STABLE ROWS 10000
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $_$
#variable_conflict use_column
DECLARE
  period pgtimewarp.relation_periods := p_at.period;
  relation int := period.relation_id;
  columns jsonb := p_question -> 'columns';
  relid oid := p_question ->> 'relid';
  skip boolean := coalesce((p_question ->> 'skip')::boolean, false);
  wanted text[] := ARRAY(SELECT w.value FROM jsonb_each_text(columns) AS w);
  computed text[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(p_question -> 'computed', '[]')));
  names record := pgtimewarp.past_names(period, relid, columns);
  absent_unless_seen boolean := period.baseline_state = 'done'
    AND p_at.lsn >= coalesce(period.unseen_unknown_before_lsn, period.tracked_from_lsn);
  last_commit int := 2147483647; -- after every change of the commit at the position
  has_gap boolean := EXISTS (
    SELECT FROM pgtimewarp.history_gaps g
     WHERE g.node_id = period.node_id AND (g.relation_id IS NULL OR g.relation_id = relation)
       AND g.lsn_space = period.lsn_space AND g.from_lsn >= p_at.lsn);
  cut_lsn pg_lsn := (SELECT max(e.lsn) FROM pgtimewarp.relation_events e WHERE e.relation_id = relation AND e.op = 'T');
  -- the positions between which all rows with the same members get their names in the same way
  renamed pg_lsn[] := ARRAY(
    SELECT (n.was ->> p.position)::pg_lsn
      FROM jsonb_array_elements(period.columns) AS c (facts)
     CROSS JOIN LATERAL (SELECT c.facts AS was UNION ALL SELECT jsonb_array_elements(coalesce(c.facts -> 'former_names', '[]'))) AS n
     CROSS JOIN unnest(ARRAY['since_lsn', 'until_lsn']) AS p (position)
     WHERE n.was ? p.position);
  namings pgtimewarp.row_naming[] := '{}';
  naming pgtimewarp.row_naming;
  members text[];
  this_kind text;
  doubtful text[] := '{}';
  b record;
  missing text[];
  unread_rows bigint := 0;
  lacking_rows bigint := 0;
BEGIN
  IF has_gap THEN
    computed := '{}'; -- the expression may have changed
  END IF;
  FOR pass IN 1 .. 2 LOOP
    FOR b IN EXECUTE format(CASE pass WHEN 1 THEN
      'SELECT q.*, q.is_there IS NOT NULL AND CASE
                WHEN q.is_there THEN q.lsn > $9 AND q.incomplete IS NULL AND $10 ELSE $11 END AS is_plain
         FROM (
       SELECT k.pk, CASE WHEN (v.valid_from_lsn > $2) IS FALSE OR v.pk IS NULL AND $2 IS NOT NULL THEN NULL -- a TRUNCATE may have removed it
                         WHEN v.op = ''D'' THEN false
                         WHEN v.op <> ''S'' THEN true
                         -- read before the instant, or no change came before it was read
                         WHEN v.read_lsn <= $1 OR v.read_lsn <= $3 AND k.next_lsn > v.read_lsn THEN true
                         WHEN v.pk IS NULL AND k.next_op = ''I'' AND NOT $4 THEN false END AS is_there,
              v.row_data, v.json_nulls, v.incomplete, v.valid_from_lsn AS lsn, v.valid_from_ts AS ts,
              coalesce(v.read_lsn, v.valid_from_lsn) AS read_upto
         FROM (' || CASE WHEN p_live THEN
           'SELECT DISTINCT ON (c.pk) c.pk, c.valid_from_lsn AS next_lsn, c.op AS next_op FROM pgtimewarp.row_changes AS c
             WHERE c.relation_id = %1$s AND c.valid_from_lsn > $1 ORDER BY c.pk, c.valid_from_lsn, c.seq'
         ELSE
           'SELECT DISTINCT c.pk, NULL::pg_lsn AS next_lsn, NULL::"char" AS next_op FROM pgtimewarp.row_changes AS c
             WHERE c.relation_id = %1$s' END || ') AS k
         LEFT JOIN LATERAL (
              SELECT c.* FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = %1$s AND c.pk = k.pk AND c.valid_from_lsn <= $1
               ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1) AS v ON true OFFSET 0) AS q'
    ELSE
      'SELECT n.pks[r.place] AS pk, r.is_there, r.row_data, r.json_nulls, r.incomplete, r.lsn, r.ts,
              CASE WHEN r.op <> ''S'' THEN r.lsn END AS read_upto, false AS is_plain
         FROM (SELECT array_agg(u.pk) AS pks, count(*)::int AS many
                 FROM (SELECT u.pk, (u.place - 1) / 10000 AS chunk FROM unnest($5) WITH ORDINALITY AS u (pk, place)) AS u
                GROUP BY u.chunk) AS n
        CROSS JOIN LATERAL pgtimewarp.rows_before(
                %1$s, $6, $3, n.pks, array_fill($1, ARRAY[n.many]), array_fill($7, ARRAY[n.many]), $8) AS r' END, relation)
      USING p_at.lsn, cut_lsn, p_at.through, has_gap, doubtful, period.tracked_from_lsn, last_commit, absent_unless_seen,
            names.settled_lsn, names.added = '{}', p_live
    LOOP
      IF b.is_plain THEN -- most rows: nothing is left to do
        pk := b.pk; row_data := b.row_data; json_nulls := b.json_nulls; is_computed := false;
        RETURN NEXT;
        CONTINUE;
      ELSIF pass = 1 AND b.is_there IS NULL THEN
        doubtful := doubtful || b.pk;
        CONTINUE;
      END IF;
      pk := b.pk; row_data := NULL; json_nulls := NULL; is_computed := false;
      IF b.is_there IS NULL THEN
        IF NOT skip THEN
          PERFORM pgtimewarp.raise_rows_unknown(
            coalesce((pgtimewarp.version_at(period, b.pk, p_at.lsn, last_commit, p_at.through, p_at.is_open)).reason, 'before_tracking'),
            period.schema_name, period.table_name, 'rows');
        END IF;
        unread_rows := unread_rows + 1;
        CONTINUE WHEN NOT p_live;
      ELSIF b.is_there THEN
        row_data := b.row_data; json_nulls := b.json_nulls; missing := b.incomplete;
        IF (b.lsn > names.settled_lsn) IS NOT TRUE OR names.added <> '{}' AND EXISTS (
             SELECT FROM unnest(names.added, names.added_since) AS a (name, since)
              WHERE b.lsn <= a.since AND pgtimewarp.json_has(b.row_data, a.name)) THEN
          json_nulls := NULL;
          IF b.read_upto IS NULL OR position(chr(92) || 'u' IN b.row_data::text) > 0 THEN
            SELECT n.row_data, n.incomplete INTO row_data, missing
              FROM pgtimewarp.past_named(period, relid, columns, b.pk, b.row_data, b.incomplete, b.lsn, b.ts) AS n;
          ELSE
            members := ARRAY(SELECT json_object_keys(b.row_data));
            this_kind := format('%s %s %s %s', members, b.incomplete,
              (SELECT count(*) FROM unnest(renamed) AS r (lsn) WHERE r.lsn < b.lsn),
              (SELECT count(*) FROM unnest(renamed) AS r (lsn) WHERE r.lsn < b.read_upto));
            IF naming.kind IS DISTINCT FROM this_kind THEN
              SELECT n.* INTO naming FROM unnest(namings) AS n WHERE n.kind = this_kind;
              IF NOT FOUND THEN
                naming := pgtimewarp.row_naming(this_kind, period, relid, columns, b.pk, members, b.incomplete, b.lsn, b.ts);
                namings := namings || naming;
              END IF;
            END IF;
            missing := naming.incomplete;
            row_data := (
              SELECT '{' || coalesce(string_agg(n.name || ':' || e.value::text, ',' ORDER BY n.n), '') || '}'
                FROM unnest(naming.names, naming.places) WITH ORDINALITY AS n (name, place, n)
                JOIN json_each(b.row_data) WITH ORDINALITY AS e (key, value, place) ON e.place = n.place);
          END IF;
        END IF;
        IF missing <> '{}' THEN
          is_computed := missing && computed;
          missing := ARRAY(SELECT unnest(missing) INTERSECT SELECT unnest(wanted) EXCEPT SELECT unnest(computed));
          IF missing <> '{}' THEN
            IF NOT skip THEN
              RAISE EXCEPTION 'values in rows of %.% are not known: %', quote_ident(period.schema_name), quote_ident(period.table_name),
                  array_to_string(missing, ', ')
                USING ERRCODE = 'TW015', HINT = 'SET pgtimewarp.unknown = skip leaves such rows out and counts them.';
            END IF;
            lacking_rows := lacking_rows + 1;
            row_data := NULL; json_nulls := NULL;
            CONTINUE WHEN NOT p_live;
          END IF;
        END IF;
      ELSIF NOT p_live THEN
        CONTINUE;
      END IF;
      RETURN NEXT;
    END LOOP;
  END LOOP;
  pk := NULL; row_data := NULL; json_nulls := NULL; is_computed := NULL; unread := unread_rows; lacking := lacking_rows;
  RETURN NEXT;
END $_$;

CREATE FUNCTION pgtimewarp.period_changes(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filter jsonb, p_after pgtimewarp.history_change, p_limit integer, p_max_bytes bigint, p_part json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.history_change
    LANGUAGE plpgsql STABLE
    AS $_$
#variable_conflict use_column
DECLARE
  -- grows, because each one reads all changes of a large commit again
  chunk int := least(greatest(500, (p_filter ->> 'chunk')::int), greatest(p_limit, 50), CASE WHEN p_part IS NULL THEN 65536 ELSE 1000 END);
  -- a part of the archive has no index
  largest CONSTANT int := CASE WHEN p_part IS NULL THEN 65536 ELSE 1000 END;
  chunk_bytes bigint;
  relation int := p_period.relation_id;
  filters pgtimewarp.row_filter[] := pgtimewarp.row_filters(p_period, p_filter -> 'where', false);
  changed pgtimewarp.row_filter[] := pgtimewarp.changed_filter(p_period, p_filter -> 'changed', false);
  said jsonb := p_filter -> 'by';
  -- leaves out the changes of most other transactions before the rows before these changes are looked up
  by_hash text := CASE WHEN said IS NOT NULL THEN '
    AND EXISTS (SELECT FROM pgtimewarp.transaction_contexts AS s
                 WHERE s.node_id = $9 AND s.lsn_space = $10 AND s.lsn = r.valid_from_lsn
                   AND (s.value_hashes @> $11 OR s.value_hashes @> ''{0}''))' END;
  has_virtual boolean := EXISTS (SELECT FROM pgtimewarp.virtual_columns AS w WHERE w.relation_id = relation);
  is_bare boolean := coalesce((p_filter -> 'bare')::boolean, false);
  is_rewritten boolean := coalesce(p_filter -> 'rewritten' @> to_jsonb(relation), false);
  ops text[] := CASE WHEN p_filter ? 'op' THEN ARRAY(SELECT jsonb_array_elements_text(p_filter -> 'op')) END;
  -- everything up to here is done; if at_pk is NULL, including all keys of the place
  at_lsn pg_lsn := coalesce(p_after.lsn, p_lower);
  at_seq int := coalesce(p_after.seq, 2147483647);
  at_pk text := p_after.pk;
  slice int := chunk; -- commits
  slice_lsn pg_lsn;
  event pgtimewarp.relation_events;
  end_lsn pg_lsn;
  end_seq int;
  c record;
  result pgtimewarp.history_change;
  found_rows int;
  given int := 0;
  bytes bigint := 0;
BEGIN
  result.relation_id := relation;
  LOOP
    SELECT e.* INTO event FROM pgtimewarp.relation_events AS e
     WHERE e.relation_id = relation AND e.op = 'T' AND e.lsn <= p_upper AND e.lsn > p_lower
       AND ((e.lsn, e.seq) > (at_lsn, at_seq) OR (e.lsn, e.seq) = (at_lsn, at_seq) AND at_pk IS NOT NULL)
     ORDER BY e.lsn, e.seq LIMIT 1;
    end_lsn := coalesce(event.lsn, p_upper);
    end_seq := coalesce(event.seq, 2147483647);

    WHILE (at_lsn, at_seq) < (end_lsn, end_seq) LOOP
      slice_lsn := coalesce((
        SELECT m.lsn FROM pgtimewarp.lsn_time_map AS m
         WHERE m.node_id = p_period.node_id AND m.lsn_space = p_period.lsn_space AND m.lsn > at_lsn AND m.lsn < end_lsn
         ORDER BY m.lsn OFFSET slice LIMIT 1), end_lsn);
      found_rows := 0;
      chunk_bytes := bytes;
      FOR c IN EXECUTE format(
        'WITH page AS MATERIALIZED (
           SELECT r.*, row_number() OVER (ORDER BY r.valid_from_lsn, r.seq, r.pk) AS place
             FROM (SELECT r.* FROM %4$s AS r
                    WHERE r.relation_id = %1$s AND r.valid_from_lsn >= $1 AND r.valid_from_lsn <= $4
                      AND ((r.valid_from_lsn, r.seq) > ($1, $2) OR (r.valid_from_lsn, r.seq) = ($1, $2) AND r.pk > $3)
                      AND (r.valid_from_lsn, r.seq) < ($5, $6) AND (r.op <> ''S'' OR r.valid_from_lsn > $7)%3$s
                    ORDER BY r.valid_from_lsn, r.seq, r.pk LIMIT %2$s) AS r)
         SELECT p.*, x.context, b.is_there, b.row_data AS before, b.json_nulls AS before_nulls, b.incomplete AS before_incomplete,
                b.nulls_assumed AS before_assumed, b.lsn AS before_lsn
           FROM page AS p
           LEFT JOIN pgtimewarp.rows_before(%1$s, $7, $8, (SELECT array_agg(k.pk ORDER BY k.place) FROM page AS k),
                  (SELECT array_agg(k.valid_from_lsn ORDER BY k.place) FROM page AS k),
                  (SELECT array_agg(k.seq ORDER BY k.place) FROM page AS k), p_part => $12) AS b ON b.place = p.place
           LEFT JOIN LATERAL pgtimewarp.context_at($9, $10, p.valid_from_lsn, p.seq, p.xid) AS x ON true
          ORDER BY p.place', relation, chunk, by_hash, pgtimewarp.changes_source(relation, p_part))
        USING at_lsn, at_seq, at_pk, slice_lsn, end_lsn, end_seq, p_period.tracked_from_lsn, p_through, p_period.node_id,
              p_period.lsn_space, pgtimewarp.context_hashes(said), p_part
      LOOP
        found_rows := found_rows + 1;
        at_lsn := c.valid_from_lsn; at_seq := c.seq; at_pk := c.pk;
        CONTINUE WHEN NOT (c.op::text = ANY (ops)) OR c.is_there IS NOT TRUE AND changed IS NOT NULL;
        CONTINUE WHEN filters <> '{}' AND NOT pgtimewarp.row_matches(c.row_data, c.json_nulls, c.incomplete, c.valid_from_lsn, filters)
          AND NOT (c.is_there IS TRUE AND pgtimewarp.row_matches(c.before, c.before_nulls, c.before_incomplete, c.before_lsn, filters));
        result.changed := CASE WHEN c.op IN ('U', 'S') AND c.is_there AND NOT is_bare
          THEN pgtimewarp.changed_columns(c.before, c.before_nulls, c.row_data, c.json_nulls) END;
        CONTINUE WHEN changed IS NOT NULL AND result.changed IS NULL;
        CONTINUE WHEN changed IS NOT NULL AND NOT pgtimewarp.may_have_changed(
          result.changed, changed, c.before, c.before_incomplete, c.before_lsn, changed, c.row_data, c.incomplete, c.valid_from_lsn);
        CONTINUE WHEN said IS NOT NULL AND NOT pgtimewarp.context_matches(c.context, said);
        result.context := c.context;
        result.lsn := c.valid_from_lsn; result.seq := c.seq; result.pk := c.pk; result.op := c.op; result.ts := c.valid_from_ts;
        result.xid := c.xid; result.after := c.row_data; result.before := CASE WHEN c.is_there THEN c.before END;
        result.incomplete := CASE WHEN has_virtual OR c.before_incomplete IS NOT NULL OR c.incomplete IS NOT NULL THEN
          pgtimewarp.incomplete_of_change(
            relation, c.valid_from_ts, CASE WHEN c.is_there THEN c.before_incomplete END, c.incomplete) END;
        result.assumes := CASE WHEN c.nulls_assumed OR c.is_there AND c.before_assumed THEN 'no-nan' END;
        RETURN NEXT result;
        given := given + 1;
        bytes := bytes + coalesce(octet_length(result.context::text), 0) + coalesce(octet_length(result.before::text), 0) + coalesce(octet_length(result.after::text), 0);
        IF given >= p_limit OR bytes > p_max_bytes THEN
          RETURN;
        END IF;
      END LOOP;
      IF found_rows < chunk THEN
        slice := least(slice * 2, 1000000);
        IF slice_lsn >= end_lsn THEN
          at_lsn := end_lsn; at_seq := end_seq; at_pk := '';
        ELSE
          at_lsn := slice_lsn; at_seq := 2147483647; at_pk := NULL;
        END IF;
      ELSIF bytes + 2 * (bytes - chunk_bytes) <= p_max_bytes THEN
        chunk := least(chunk * 2, largest);
      END IF;
    END LOOP;
    EXIT WHEN event.lsn IS NULL;

    -- the rows that the TRUNCATE removed
    at_pk := coalesce(at_pk, '');
    result.context := (SELECT x.context FROM pgtimewarp.context_at(p_period.node_id, p_period.lsn_space, event.lsn, event.seq, event.xid) AS x);
    IF NOT 'T' = ANY (ops) OR changed IS NOT NULL OR NOT pgtimewarp.context_matches(result.context, p_filter -> 'by') THEN
      found_rows := 0;
    ELSE
      found_rows := chunk;
    END IF;
    WHILE found_rows = chunk LOOP
      found_rows := 0;
      FOR c IN SELECT t.* FROM pgtimewarp.truncated_rows(
                 p_period, event, p_through, at_pk, chunk, is_rewritten, CASE WHEN event.lsn < (p_part ->> 'before')::pg_lsn THEN p_part END) AS t LOOP
        found_rows := found_rows + 1;
        at_pk := c.pk;
        CONTINUE WHEN c.is_there IS NOT TRUE OR filters <> '{}' AND NOT pgtimewarp.row_matches(c.row_data, c.json_nulls, c.incomplete, c.written_lsn, filters);
        result.lsn := event.lsn; result.seq := event.seq; result.pk := c.pk; result.op := 'T'; result.ts := event.ts;
        result.xid := event.xid; result.before := c.row_data; result.after := NULL; result.changed := NULL;
        result.incomplete := CASE WHEN has_virtual OR c.incomplete IS NOT NULL THEN
          pgtimewarp.incomplete_of_change(relation, event.ts, c.incomplete, NULL) END;
        result.assumes := CASE WHEN c.nulls_assumed THEN 'no-nan' END;
        RETURN NEXT result;
        given := given + 1;
        bytes := bytes + coalesce(octet_length(result.context::text), 0) + coalesce(octet_length(result.before::text), 0);
        IF given >= p_limit OR bytes > p_max_bytes THEN
          RETURN;
        END IF;
      END LOOP;
    END LOOP;
    at_lsn := event.lsn; at_seq := event.seq; at_pk := NULL;
  END LOOP;
END $_$;

CREATE FUNCTION pgtimewarp.place_of_row(p_row pgtimewarp.row_at, p_pk_columns text[], p_filters pgtimewarp.row_filter[]) RETURNS pgtimewarp.row_place
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  place pgtimewarp.row_place;
  filter pgtimewarp.row_filter;
  names text[];
  key int;
BEGIN
  place.is_placed := true;
  place.pk := p_row.pk;
  place.places := '{}';
  FOREACH filter IN ARRAY p_filters LOOP
    key := coalesce(array_position(p_pk_columns, filter.name), array_position(p_pk_columns, filter.names[1]));
    IF key IS NOT NULL THEN
      place.places := place.places || pgtimewarp.sort_place(filter.kind, p_row.pk::json ->> (key - 1));
      CONTINUE;
    END IF;
    names := pgtimewarp.names_at(filter, p_row.row_data, p_row.incomplete, p_row.valid_from_lsn);
    -- the value may be that of an earlier column of this name, or the row may have been read while the column was renamed
    IF p_row.is_there IS NULL OR cardinality(names) > 1 OR names && p_row.incomplete OR EXISTS (
         SELECT FROM unnest(filter.names, filter.since, filter.until) AS u (name, since, until)
          WHERE u.name = names[1] AND u.since >= p_row.valid_from_lsn AND pgtimewarp.json_has(p_row.row_data, u.name)
             OR p_row.op = 'S' AND cardinality(filter.names) > 1 AND u.until BETWEEN p_row.valid_from_lsn AND p_row.read_lsn) THEN
      place.is_placed := false;
    END IF;
    place.places := place.places || pgtimewarp.sort_place(filter.kind, pgtimewarp.json_value(p_row.row_data, ARRAY[names[1]]));
  END LOOP;
  RETURN place;
END $$;

CREATE FUNCTION pgtimewarp.position_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean DEFAULT false) RETURNS pgtimewarp.history_position
    LANGUAGE plpgsql STABLE
    AS $$
#variable_conflict use_column
DECLARE
  by_lsn boolean := p_at_lsn IS NOT NULL;
  -- "now" is the last known state. It is never final, whatever the clocks of the servers say
  at_ts timestamptz := CASE WHEN by_lsn THEN NULL ELSE coalesce(p_at_ts, 'infinity') END;
  known record; -- the period, the horizon of the node, and what has expired
  period pgtimewarp.relation_periods;
  is_open boolean;
  at_space int;
  at_lsn pg_lsn;
  gap record;
  reason text;
  final boolean;
  archived_before_lsn pg_lsn;
BEGIN
  SELECT p AS period, c.lsn_space, c.applied_lsn, c.applied_ts, x.expired_before_lsn, x.expired_before_ts, a.before_lsn, b.has_begun
    INTO known
    FROM pgtimewarp.relation_periods p
    LEFT JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id AND x.expired_before_ts IS NOT NULL
    LEFT JOIN pgtimewarp.archive_cutoffs a ON a.relation_id = p.relation_id
   CROSS JOIN LATERAL (
         SELECT coalesce(CASE WHEN by_lsn THEN (p.lsn_space, p.tracked_from_lsn) <= (c.lsn_space, p_at_lsn)
                              ELSE p.tracked_from_ts <= at_ts END, false) AS has_begun,
                coalesce(CASE WHEN by_lsn THEN (p.lsn_space, p.tracked_to_lsn) = (c.lsn_space, p_at_lsn)
                              ELSE p.tracked_to_ts = at_ts END, false) AS ends_here,
                EXISTS (SELECT FROM pgtimewarp.history_gaps g
                         WHERE g.node_id = p_node_id AND g.relation_id = p.relation_id
                           AND CASE WHEN by_lsn THEN g.to_lsn = p_at_lsn ELSE g.to_ts = at_ts END) AS was_in_gap) b
   CROSS JOIN LATERAL (SELECT b.has_begun AND b.ends_here AND NOT b.was_in_gap AS is_settled) s
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
   ORDER BY b.has_begun DESC, s.is_settled DESC, CASE WHEN s.is_settled THEN p.relation_id END, p.tracked_from_ts DESC NULLS LAST
   LIMIT 1;
  period := known.period;
  IF period.relation_id IS NULL THEN
    PERFORM pgtimewarp.raise_not_tracked(p_node_id, p_schema, p_table);
  END IF;
  is_open := period.tracked_to_lsn IS NULL AND period.lsn_space = known.lsn_space;

  IF by_lsn THEN
    at_space := known.lsn_space;
    SELECT m.lsn INTO at_lsn FROM pgtimewarp.commit_at_lsn(p_node_id, at_space, p_at_lsn) m;
  ELSIF at_ts > known.applied_ts THEN
    at_space := known.lsn_space; at_lsn := known.applied_lsn;
  ELSE
    SELECT m.lsn_space, m.lsn INTO at_space, at_lsn FROM pgtimewarp.commit_at_time(p_node_id, NULL, at_ts) m;
  END IF;

  SELECT EXISTS (
           SELECT FROM pgtimewarp.relation_leaves l
            WHERE l.relation_id = period.relation_id AND l.attached AND NOT l.checked
              AND CASE WHEN by_lsn THEN l.seen_after_lsn < p_at_lsn ELSE l.seen_after_ts < at_ts END) AS leaf_unjudged,
         bool_or(CASE WHEN by_lsn THEN g.lsn_space = known.lsn_space AND g.from_lsn < p_at_lsn
                                       AND (g.to_lsn IS NULL OR p_at_lsn < g.to_lsn)
                      ELSE g.from_ts < at_ts AND (g.to_ts IS NULL OR at_ts < g.to_ts) END) AS is_here,
         bool_or(g.to_ts IS NULL) AS is_open
    INTO gap
    FROM pgtimewarp.history_gaps g
   WHERE g.node_id = p_node_id AND (g.relation_id IS NULL OR g.relation_id = period.relation_id);

  IF NOT known.has_begun THEN
    reason := CASE WHEN period.tracked_from_lsn IS NULL THEN 'baseline_pending' ELSE 'before_tracking' END;
  ELSIF (by_lsn AND (period.lsn_space < known.lsn_space OR p_at_lsn > period.tracked_to_lsn)) OR at_ts > period.tracked_to_ts
     OR gap.is_here THEN
    reason := 'in_gap';
  ELSIF p_at_lsn < known.expired_before_lsn OR at_ts < known.expired_before_ts THEN
    reason := 'expired';
  ELSE
    -- The map drops horizons of earlier runs, so its last entry may lie before the start of tracking.
    IF at_space IS DISTINCT FROM period.lsn_space OR at_lsn IS NULL OR at_lsn < period.tracked_from_lsn THEN
      at_space := period.lsn_space; at_lsn := period.tracked_from_lsn;
    END IF;
    at_lsn := greatest(at_lsn, known.expired_before_lsn); -- older entries of the map may be gone
    IF at_lsn + 1 < known.before_lsn THEN
      archived_before_lsn := pgtimewarp.archived_before(period, at_lsn);
    END IF;
    IF archived_before_lsn IS NOT NULL AND NOT p_may_be_archived THEN
      PERFORM pgtimewarp.archived_part(NULL, period, archived_before_lsn, at_lsn, at_lsn);
    END IF;
  END IF;
  final := coalesce(CASE WHEN by_lsn THEN p_at_lsn <= known.applied_lsn ELSE at_ts <= known.applied_ts END, false)
    AND reason IS DISTINCT FROM 'baseline_pending' AND NOT gap.leaf_unjudged
    AND NOT (by_lsn AND p_at_lsn = known.applied_lsn AND (coalesce(gap.is_open, false) OR coalesce(reason = 'in_gap', false)));
  RETURN ROW(
    period, known.has_begun, is_open, CASE WHEN is_open THEN known.applied_lsn ELSE period.tracked_to_lsn END, at_ts, p_at_lsn, at_space, at_lsn,
    reason, final, known.applied_lsn, known.applied_ts, known.expired_before_lsn, known.expired_before_ts,
    archived_before_lsn);
END $$;

CREATE FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id) THEN
    RAISE EXCEPTION 'the store has no node "%"', coalesce(p_node_id, 'NULL')
      USING ERRCODE = 'TW003', HINT = 'Run `pgtimewarp init --node NAME`, or see the names with `pgtimewarp status`.';
  END IF;
  RAISE EXCEPTION 'the table %.% is not tracked under node %', quote_ident(p_schema), quote_ident(p_table), p_node_id
    USING ERRCODE = 'TW001', HINT = 'Start with `pgtimewarp track TABLE`, or name the right node.';
END $$;

CREATE FUNCTION pgtimewarp.raise_rows_unknown(p_reason text, p_schema text, p_table text, p_what text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF p_reason IS NOT NULL THEN
    RAISE EXCEPTION '%', format(CASE p_reason
        WHEN 'baseline_pending' THEN '%s of %s.%s are not known yet: the rows of the start of tracking are being read'
        WHEN 'in_gap' THEN '%s of %s.%s are unknown: changes may have been lost at that time'
        WHEN 'expired' THEN 'the history of that time has expired: %s of %s.%s are not kept that long'
        ELSE '%s of %s.%s are unknown: the instant lies before their history' END, p_what, quote_ident(p_schema), quote_ident(p_table))
      USING ERRCODE = CASE p_reason
        WHEN 'baseline_pending' THEN 'TW011' WHEN 'in_gap' THEN 'TW012' WHEN 'expired' THEN 'TW013' ELSE 'TW010' END,
      HINT = CASE p_reason
        WHEN 'baseline_pending' THEN 'Ask again after the next runs.'
        WHEN 'in_gap' THEN 'Ask about an instant outside of the gap; `pgtimewarp events` says what happened.'
        WHEN 'expired' THEN 'Ask about an instant within the retention of the table.'
        ELSE 'Ask about a later instant; `pgtimewarp status` says when tracking began.' END;
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.refuse_archived(p_relation_id integer, p_from pg_lsn) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  period pgtimewarp.relation_periods;
BEGIN
  IF EXISTS (SELECT FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = p_relation_id AND p_from + 1 < a.before_lsn) THEN
    SELECT p.* INTO period FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = p_relation_id;
    PERFORM pgtimewarp.archived_part(NULL, period, pgtimewarp.archived_before(period, p_from), p_from, 'FFFFFFFF/FFFFFFFF');
  END IF;
  RETURN true;
END $$;

CREATE FUNCTION pgtimewarp.refuse_operations(p_filter jsonb, p_kind text, p_known text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS $$
DECLARE
  other text := (SELECT min(o.name) FROM jsonb_array_elements_text(p_filter -> 'op') AS o (name) WHERE NOT o.name = ANY (p_known));
BEGIN
  IF other IS NOT NULL THEN
    RAISE EXCEPTION '% have no operation %', p_kind, left(other, 20)
      USING ERRCODE = 'TW006', HINT = 'Ask for some of ' || array_to_string(p_known, ', ') || '.';
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.refuse_other_cursor(p_node_id text, p_schema text, p_table text, p_after_relation_id integer) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF p_after_relation_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM pgtimewarp.relation_periods AS p
        WHERE p.relation_id = p_after_relation_id AND p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table) THEN
    RAISE EXCEPTION 'not a cursor of an earlier page about this table' USING ERRCODE = 'TW006', HINT = 'Start without a cursor.';
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.refuse_other_table(p_node_id text, p_schema text, p_table text, p_relid oid) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF EXISTS (SELECT FROM pgtimewarp.tracked_relations t
              WHERE t.node_id = p_node_id AND t.schema_name = p_schema AND t.table_name = p_table AND t.relid <> p_relid) THEN
    RAISE EXCEPTION 'the history under the name %.% belongs to another table',
                    quote_ident(p_schema), quote_ident(p_table)
      USING ERRCODE = 'TW005', HINT = 'Ask again after the next run. A table that is not tracked any more has to be tracked again.';
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.retention_advance(p_relation_id integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  p pgtimewarp.relation_periods;
  horizon_lsn pg_lsn;
  cut_ts timestamptz;
  cut_lsn pg_lsn;
BEGIN
  SELECT q.* INTO p FROM pgtimewarp.relation_periods q WHERE q.relation_id = p_relation_id;
  SELECT c.applied_lsn, c.applied_ts - x.retention INTO horizon_lsn, cut_ts
    FROM pgtimewarp.wal_checkpoints c LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p_relation_id
   WHERE c.node_id = p.node_id;
  -- The beginning of a range is more exact than the map, which drops horizons of quiet runs.
  UPDATE pgtimewarp.relation_ranges g
     SET opened_ts = coalesce(
           (SELECT m.ts FROM pgtimewarp.lsn_time_map m
             WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.lsn >= g.from_lsn ORDER BY m.lsn LIMIT 1),
           (SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p.node_id))
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.opened_ts IS NULL AND g.from_lsn <= horizon_lsn
     AND p.tracked_to_lsn IS NULL;
  IF p.tracked_from_ts IS NULL OR cut_ts IS NULL OR cut_ts <= p.tracked_from_ts THEN
    RETURN false;
  END IF;
  SELECT greatest(p.tracked_from_lsn,
           (SELECT m.lsn FROM pgtimewarp.commit_at_time(p.node_id, p.lsn_space, cut_ts - interval '1 microsecond') m),
           (SELECT max(g.from_lsn - 1) FROM pgtimewarp.relation_ranges g
             WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.opened_ts < cut_ts)) INTO cut_lsn;
  UPDATE pgtimewarp.relation_retention x
     SET expired_before_ts = cut_ts, expired_before_lsn = greatest(x.expired_before_lsn, cut_lsn),
         cutoff_xid = pg_current_xact_id()
   WHERE x.relation_id = p_relation_id AND (x.expired_before_ts IS NULL OR x.expired_before_ts < cut_ts);
  RETURN FOUND;
END $$;

CREATE FUNCTION pgtimewarp.retention_attach(p_relation_id integer, p_table text, p_from pg_lsn, p_to pg_lsn) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  EXECUTE format('ALTER TABLE pgtimewarp.%I ATTACH PARTITION pgtimewarp.%I FOR VALUES FROM (%s) TO (%s)',
    format('row_changes_r%s', p_relation_id), p_table,
    coalesce(quote_literal(p_from), 'MINVALUE'), coalesce(quote_literal(p_to), 'MAXVALUE'));
END $$;

CREATE FUNCTION pgtimewarp.retention_begin_base(p_relation_id integer) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  p pgtimewarp.relation_periods;
  cut pg_lsn;
  name text;
  upper pg_lsn;
  filled boolean := false;
BEGIN
  SELECT g.table_name INTO name FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state <> 'attached';
  IF FOUND THEN
    RETURN name;
  END IF;
  SELECT q.* INTO p FROM pgtimewarp.relation_periods q WHERE q.relation_id = p_relation_id;
  -- what is before either cutoff
  SELECT greatest((SELECT x.expired_before_lsn FROM pgtimewarp.relation_retention x WHERE x.relation_id = p_relation_id),
                  (SELECT a.upto_lsn - 1 FROM pgtimewarp.archive_cutoffs a WHERE a.relation_id = p_relation_id)) INTO cut;
  IF cut IS NULL OR p.baseline_state = 'pending'
     OR EXISTS (SELECT FROM pgtimewarp.tracked_relations t WHERE t.relation_id = p_relation_id AND t.repair IS NOT NULL) THEN
    RETURN NULL; -- a baseline or a repair may still write rows that belong below
  END IF;
  FOR name IN
    SELECT g.table_name FROM pgtimewarp.relation_ranges g
     WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND NOT g.is_base AND g.to_lsn <= cut + 1
  LOOP
    IF pgtimewarp.retention_is_empty(name) THEN
      EXECUTE format('DROP TABLE pgtimewarp.%I', name);
      DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = name;
    ELSE
      filled := true;
    END IF;
  END LOOP;
  IF NOT filled THEN
    RETURN NULL;
  END IF;
  SELECT max(g.to_lsn) INTO upper FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn <= cut + 1;
  name := pgtimewarp.retention_new_table(p_relation_id);
  EXECUTE format('ALTER TABLE pgtimewarp.%I ADD CONSTRAINT base_upper CHECK (valid_from_lsn < %L)', name, upper);
  INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, to_lsn, opened_ts, state, is_base, built_to_pk, keeps_deletions)
  -- If not every key was read or seen, only a deletion distinguishes an absent key from an unknown one. And questions about the time
  -- after the archive's cutoff are answered as before, deletions included, without the archive.
  VALUES (p_relation_id, name, upper, '-infinity', 'building', true, '',
          p.baseline_state <> 'done' OR coalesce(p.unseen_unknown_before_lsn >= upper, false)
            OR EXISTS (SELECT FROM pgtimewarp.archive_cutoffs a WHERE a.relation_id = p_relation_id));
  RETURN name;
END $$;

CREATE FUNCTION pgtimewarp.retention_build(p_relation_id integer, p_rows integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET jit TO 'off'
    AS $_$
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
     SELECT v.valid_from_lsn, v.valid_from_ts, v.xid, v.read_lsn, %s, v.seq, v.leaf_id, v.op, v.pk, v.row_data,
            v.incomplete, v.json_nulls, v.nulls_assumed
       FROM pgtimewarp.rows_at($1, $2, p_after => $3, p_upto => $4) v
      WHERE $5 OR v.is_there IS NOT FALSE
      ORDER BY v.pk', r.table_name, p_relation_id)
    USING p_relation_id, r.to_lsn - 1, r.built_to_pk, last_pk, r.keeps_deletions;
  UPDATE pgtimewarp.relation_ranges
     SET built_to_pk = coalesce(last_pk, built_to_pk), state = CASE WHEN last_pk IS NULL THEN 'built' ELSE state END,
         built_xid = CASE WHEN last_pk IS NULL THEN pg_current_xact_id() END
   WHERE relation_id = p_relation_id AND table_name = r.table_name;
  RETURN last_pk IS NULL;
END $_$;

CREATE FUNCTION pgtimewarp.retention_check(p_relation_id integer, p_table text, p_to pg_lsn) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = p_table;
  IF FOUND THEN
    EXECUTE format('ALTER TABLE pgtimewarp.%I ADD CONSTRAINT pgtimewarp_closing CHECK (valid_from_lsn < %L) NOT VALID',
      p_table, p_to);
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.retention_convert(p_relation_id integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  name text := format('row_changes_r%s', p_relation_id);
  leaf text := format('row_changes_r%s_%s', p_relation_id, nextval('pgtimewarp.relation_range_seq'));
BEGIN
  IF (SELECT c.relkind FROM pg_class c WHERE c.oid = to_regclass(format('pgtimewarp.%I', name))) IS DISTINCT FROM 'r' THEN
    RETURN;
  END IF;
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes DETACH PARTITION pgtimewarp.%I', name);
  EXECUTE format('ALTER TABLE pgtimewarp.%I RENAME TO %I', name, leaf);
  EXECUTE format(
    'CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.%I INCLUDING ALL EXCLUDING COMMENTS) PARTITION BY RANGE (valid_from_lsn)', name, leaf);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', name);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', name);
  PERFORM pgtimewarp.retention_attach(p_relation_id, leaf, NULL, NULL);
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes ATTACH PARTITION pgtimewarp.%I FOR VALUES IN (%s)', name, p_relation_id);
  INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, opened_ts, state)
  VALUES (p_relation_id, leaf, '-infinity', 'attached');
END $$;

CREATE FUNCTION pgtimewarp.retention_cut_contexts(p_node_id text, p_rows integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  r record;
  seen int;
  last_lsn pg_lsn;
  last_seq int;
  total int := 0;
BEGIN
  FOR r IN
    SELECT c.relation_id, c.lsn_space, c.from_lsn, c.from_seq, c.upto_lsn
      FROM (SELECT x.relation_id, p.lsn_space, coalesce(x.contexts_upto_lsn, '0/0') AS from_lsn,
                   coalesce(x.contexts_upto_seq, 2147483647) AS from_seq,
                   CASE WHEN x.is_dropped THEN 'FFFFFFFF/FFFFFFFF' ELSE x.expired_before_lsn END AS upto_lsn
              FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
             WHERE p.node_id = p_node_id) c
     WHERE c.upto_lsn > c.from_lsn OR c.upto_lsn = c.from_lsn AND c.from_seq < 2147483647
     ORDER BY c.relation_id
  LOOP
    WITH passed AS (
      SELECT t.lsn, t.seq, t.relation_ids FROM pgtimewarp.transaction_contexts t
       WHERE t.node_id = p_node_id AND t.lsn_space = r.lsn_space AND t.lsn <= r.upto_lsn
         AND t.lsn >= r.from_lsn AND (t.lsn, t.seq) > (r.from_lsn, r.from_seq)
         AND (t.relation_ids IS NULL OR r.relation_id = ANY (t.relation_ids))
       ORDER BY t.lsn, t.seq LIMIT p_rows - total),
    forgotten AS (
      DELETE FROM pgtimewarp.transaction_contexts t
       USING passed
       WHERE t.node_id = p_node_id AND t.lsn_space = r.lsn_space AND t.lsn = passed.lsn AND t.seq = passed.seq
         AND NOT pgtimewarp.context_is_kept(p_node_id, r.lsn_space, passed.lsn, passed.relation_ids))
    SELECT count(*), max(passed.lsn), (array_agg(passed.seq ORDER BY passed.lsn DESC, passed.seq DESC))[1]
      INTO seen, last_lsn, last_seq FROM passed;
    total := total + seen;
    UPDATE pgtimewarp.relation_retention x
       SET contexts_upto_lsn = CASE WHEN total < p_rows THEN r.upto_lsn ELSE last_lsn END,
           contexts_upto_seq = CASE WHEN total = p_rows THEN last_seq END
     WHERE x.relation_id = r.relation_id;
    EXIT WHEN total = p_rows;
  END LOOP;
  RETURN total;
END $$;

CREATE FUNCTION pgtimewarp.retention_cut_map(p_node_id text, p_rows integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  anchor timestamptz;
  space int;
  upper pg_lsn;
  forgotten int;
BEGIN
  -- The last entry before the oldest cutoff stays, because it gives the position of that instant.
  SELECT max(m.ts) INTO anchor
    FROM (SELECT min(coalesce(x.expired_before_ts, p.tracked_from_ts)) AS ts
            FROM pgtimewarp.relation_periods p
            LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
           WHERE p.node_id = p_node_id AND p.tracked_from_ts IS NOT NULL AND x.is_dropped IS NOT TRUE
          HAVING count(x.expired_before_ts) > 0) oldest
    JOIN LATERAL (SELECT l.ts FROM pgtimewarp.lsn_time_map l WHERE l.node_id = p_node_id AND l.ts <= oldest.ts
                   ORDER BY l.ts DESC LIMIT 1) m ON true;
  SELECT c.lsn_space INTO space FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id;
  WITH gone AS (
    DELETE FROM pgtimewarp.lsn_time_map d
     USING (SELECT o.ts FROM pgtimewarp.lsn_time_map o WHERE o.node_id = p_node_id AND o.ts < anchor ORDER BY o.ts LIMIT p_rows) o
     WHERE d.node_id = p_node_id AND d.ts = o.ts
    RETURNING d.lsn_space, d.lsn)
  SELECT count(*), max(g.lsn) FILTER (WHERE g.lsn_space = space) INTO forgotten, upper FROM gone g;
  DELETE FROM pgtimewarp.blocked_changes b
   WHERE b.node_id = p_node_id
     AND b.kept_at < (SELECT max(x.expired_before_ts)
                        FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
                       WHERE p.node_id = p_node_id);
  UPDATE pgtimewarp.wal_checkpoints SET map_from_lsn = greatest(map_from_lsn, upper + 1)
   WHERE node_id = p_node_id AND upper IS NOT NULL;
  RETURN forgotten;
END $$;

CREATE FUNCTION pgtimewarp.retention_drop_period(p_relation_id integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  expired xid8;
BEGIN
  SELECT x.cutoff_xid INTO expired
    FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
   WHERE x.relation_id = p_relation_id AND x.expired_before_ts > p.tracked_to_ts AND NOT x.is_dropped;
  IF NOT FOUND OR NOT pgtimewarp.retention_seen_by_all(expired) THEN
    RETURN false;
  END IF;
  PERFORM pgtimewarp.drop_relation_partition(p_relation_id);
  DELETE FROM pgtimewarp.relation_events WHERE relation_id = p_relation_id;
  UPDATE pgtimewarp.relation_retention SET is_dropped = true WHERE relation_id = p_relation_id;
  RETURN true;
END $$;

CREATE FUNCTION pgtimewarp.retention_exchange(p_relation_id integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  name text;
  dropped int := 0;
  cutoff pgtimewarp.archive_cutoffs;
  has_changes boolean;
BEGIN
  SELECT * INTO r FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state = 'built' FOR UPDATE;
  IF NOT FOUND OR NOT pgtimewarp.retention_seen_by_all(r.built_xid) THEN
    RETURN NULL;
  END IF;
  IF (r.to_lsn <= (SELECT x.expired_before_lsn + 1 FROM pgtimewarp.relation_retention x WHERE x.relation_id = p_relation_id)) IS NOT TRUE THEN
    SELECT a.* INTO cutoff FROM pgtimewarp.archive_cutoffs a WHERE a.relation_id = p_relation_id;
    IF (r.to_lsn <= cutoff.upto_lsn AND cutoff.before_lsn <= pgtimewarp.archive_verified_to(p_relation_id)) IS NOT TRUE THEN
      RAISE EXCEPTION 'the history of relation % before % is neither expired nor verified in the archive', p_relation_id, r.to_lsn;
    END IF;
    EXECUTE format(
      'SELECT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                       WHERE c.relation_id = %s AND c.valid_from_lsn >= %L AND c.valid_from_lsn < %L)',
      p_relation_id, cutoff.before_lsn, r.to_lsn) INTO has_changes;
    IF has_changes THEN
      -- a repair has written at the position of a horizon that did not move: the range is not in the archive as a whole
      EXECUTE format('DROP TABLE pgtimewarp.%I', r.table_name);
      DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = r.table_name;
      UPDATE pgtimewarp.archive_cutoffs SET upto_lsn = before_lsn WHERE relation_id = p_relation_id;
      RETURN 0;
    END IF;
  END IF;
  FOR name IN
    SELECT g.table_name FROM pgtimewarp.relation_ranges g
     WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn <= r.to_lsn
     ORDER BY g.from_lsn NULLS FIRST
  LOOP
    EXECUTE format('DROP TABLE pgtimewarp.%I', name);
    DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = name;
    dropped := dropped + 1;
  END LOOP;
  PERFORM pgtimewarp.retention_attach(p_relation_id, r.table_name, NULL, r.to_lsn);
  UPDATE pgtimewarp.relation_ranges SET state = 'attached', built_to_pk = NULL, built_xid = NULL
   WHERE relation_id = p_relation_id AND table_name = r.table_name;
  IF NOT r.keeps_deletions THEN
    DELETE FROM pgtimewarp.relation_events WHERE relation_id = p_relation_id AND op = 'T' AND lsn < r.to_lsn;
  END IF;
  RETURN dropped;
END $$;

CREATE FUNCTION pgtimewarp.retention_is_empty(p_table text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  has_row boolean;
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE table_name = p_table;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM pgtimewarp.%I)', p_table) INTO has_row;
  RETURN NOT has_row;
END $$;

CREATE FUNCTION pgtimewarp.retention_new_table(p_relation_id integer) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  name text := format('row_changes_r%s_%s', p_relation_id, nextval('pgtimewarp.relation_range_seq'));
BEGIN
  EXECUTE format('CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.%I INCLUDING ALL EXCLUDING COMMENTS)',
    name, format('row_changes_r%s', p_relation_id));
  EXECUTE format('ALTER TABLE pgtimewarp.%I SET (autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 100)', name);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', name);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', name);
  RETURN name;
END $$;

CREATE FUNCTION pgtimewarp.retention_next(p_relation_id integer, p_upto pg_lsn) RETURNS TABLE(action text, table_name text, at pg_lsn[], opened_ts timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
  h record;
  current_range pgtimewarp.relation_ranges;
  last_range pgtimewarp.relation_ranges;
  width numeric;
BEGIN
  SELECT c.node_id, c.lsn_space, c.applied_lsn AS lsn, c.applied_ts AS ts, w.retention, p.tracked_from_ts INTO h
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id AND c.lsn_space = p.lsn_space
   CROSS JOIN pgtimewarp.hot_window(p.relation_id) AS w (retention)
   WHERE p.relation_id = p_relation_id AND p.tracked_to_lsn IS NULL AND w.retention IS NOT NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id) THEN
    IF h.tracked_from_ts <= h.ts - h.retention / 8
       OR pg_relation_size(to_regclass(format('pgtimewarp.row_changes_r%s', p_relation_id))) > 67108864 THEN
      action := 'convert';
      RETURN NEXT;
    END IF;
    RETURN;
  END IF;
  SELECT g.* INTO current_range FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached'
     AND (g.from_lsn IS NULL OR g.from_lsn <= h.lsn) AND (g.to_lsn IS NULL OR g.to_lsn > h.lsn + 1);
  SELECT g.* INTO STRICT last_range FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn IS NULL;
  IF (current_range.from_lsn IS NULL AND current_range.to_lsn IS NULL AND current_range.relation_id IS NOT NULL)
     OR (current_range.to_lsn IS NULL OR current_range.opened_ts <= h.ts - h.retention / 8)
        AND NOT pgtimewarp.retention_is_empty(current_range.table_name) THEN
    action := 'split'; table_name := current_range.table_name; at := ARRAY[h.lsn + 1]; opened_ts := h.ts;
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT (h.lsn - m.lsn) / extract(epoch FROM h.ts - m.ts) * extract(epoch FROM h.retention) / 10 INTO width
    FROM pgtimewarp.lsn_time_map m
   WHERE m.node_id = h.node_id AND m.lsn_space = h.lsn_space AND m.ts >= h.ts - h.retention AND m.ts < h.ts
   ORDER BY m.ts LIMIT 1;
  width := greatest(coalesce(width, 16777216), 65536);
  IF last_range.from_lsn < p_upto + width THEN
    -- a backlog gets wider ranges, not more of them
    width := ceil(greatest(width, (p_upto + 2 * width - last_range.from_lsn) / 8));
    action := 'split'; table_name := last_range.table_name; opened_ts := NULL;
    at := ARRAY(SELECT last_range.from_lsn + n * width
                  FROM generate_series(1, ceil((p_upto + width - last_range.from_lsn) / width)) n);
    RETURN NEXT;
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.retention_repair(p_node_id text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  name text;
  repaired int := 0;
BEGIN
  FOR name IN
    SELECT g.table_name
      FROM pgtimewarp.relation_periods p
      JOIN pgtimewarp.relation_ranges g ON g.relation_id = p.relation_id
      JOIN pg_constraint k ON k.conrelid = to_regclass(format('pgtimewarp.%I', g.table_name))
                          AND k.conname = 'pgtimewarp_closing'
     WHERE p.node_id = p_node_id
  LOOP
    EXECUTE format('ALTER TABLE pgtimewarp.%I DROP CONSTRAINT pgtimewarp_closing', name);
    repaired := repaired + 1;
  END LOOP;
  RETURN repaired;
END $$;

CREATE FUNCTION pgtimewarp.retention_seen_by_all(p_xid xid8) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT NOT EXISTS (
           SELECT FROM pg_stat_activity a
            WHERE a.pid <> pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
              AND (a.datid IS NULL OR a.datname = current_database())
              AND (age(a.backend_xmin) >= age(p_xid::xid)
                   OR a.state_change IS NULL AND a.backend_type IS NULL AND EXISTS (
                        SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted)))
     AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE age(s.xmin) >= age(p_xid::xid))
$$;

CREATE FUNCTION pgtimewarp.retention_split(p_relation_id integer, p_table text, p_at pg_lsn[], p_opened_ts timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  name text;
BEGIN
  SELECT * INTO STRICT r FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.table_name = p_table AND g.state = 'attached';
  EXECUTE format('ALTER TABLE pgtimewarp.%I DETACH PARTITION pgtimewarp.%I',
    format('row_changes_r%s', p_relation_id), p_table);
  PERFORM pgtimewarp.retention_attach(p_relation_id, p_table, r.from_lsn, p_at[1]);
  UPDATE pgtimewarp.relation_ranges SET to_lsn = p_at[1] WHERE relation_id = p_relation_id AND table_name = p_table;
  FOR place IN 1 .. cardinality(p_at) LOOP
    name := pgtimewarp.retention_new_table(p_relation_id);
    PERFORM pgtimewarp.retention_attach(p_relation_id, name, p_at[place],
      CASE WHEN place = cardinality(p_at) THEN r.to_lsn ELSE p_at[place + 1] END);
    INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, from_lsn, to_lsn, opened_ts, state)
    VALUES (p_relation_id, name, p_at[place],
      CASE WHEN place = cardinality(p_at) THEN r.to_lsn ELSE p_at[place + 1] END,
      CASE WHEN place = 1 THEN p_opened_ts END, 'attached');
  END LOOP;
  EXECUTE format('ALTER TABLE pgtimewarp.%I DROP CONSTRAINT IF EXISTS pgtimewarp_closing', p_table);
END $$;

CREATE FUNCTION pgtimewarp.retention_validate(p_relation_id integer, p_table text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = p_table;
  IF FOUND THEN
    EXECUTE format('ALTER TABLE pgtimewarp.%I VALIDATE CONSTRAINT pgtimewarp_closing', p_table);
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.row_filters(p_period pgtimewarp.relation_periods, p_where jsonb, p_is_judge boolean DEFAULT true) RETURNS pgtimewarp.row_filter[]
    LANGUAGE plpgsql STABLE
    AS $_$
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
END $_$;

CREATE FUNCTION pgtimewarp.row_matches(p_row json, p_json_nulls text[], p_incomplete text[], p_lsn pg_lsn, p_filters pgtimewarp.row_filter[]) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  filter pgtimewarp.row_filter;
  names text[];
  name text;
  has_it boolean;
BEGIN
  IF p_row IS NULL THEN
    RETURN false;
  END IF;
  FOREACH filter IN ARRAY p_filters LOOP
    names := pgtimewarp.names_at(filter, p_row, p_incomplete, p_lsn);
    CONTINUE WHEN names && p_incomplete;
    has_it := false;
    FOREACH name IN ARRAY names LOOP
      has_it := CASE WHEN filter.as_printed THEN coalesce(pgtimewarp.json_value(p_row, ARRAY[name]) = filter.wanted, false)
                     ELSE pgtimewarp.value_matches(p_row, p_json_nulls, name, filter) END;
      EXIT WHEN has_it;
    END LOOP;
    IF NOT has_it AND NOT (filter.may_lack AND NOT EXISTS (SELECT FROM unnest(names) AS u (name) WHERE pgtimewarp.json_has(p_row, u.name))) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END $$;

CREATE FUNCTION pgtimewarp.row_naming(p_kind text, p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_members text[], p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone) RETURNS pgtimewarp.row_naming
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  naming pgtimewarp.row_naming;
  places json;
BEGIN
  SELECT n.row_data, n.incomplete INTO places, naming.incomplete
    FROM pgtimewarp.past_named(
           p_period, p_relid, p_columns, p_pk,
           (SELECT '{' || coalesce(string_agg(to_json(m.name)::text || ':' || m.place, ',' ORDER BY m.place), '') || '}'
              FROM unnest(p_members) WITH ORDINALITY AS m (name, place))::json,
           p_incomplete, p_written_lsn, p_written_ts) AS n;
  naming.kind := p_kind;
  SELECT coalesce(array_agg(to_json(e.key)::text ORDER BY e.n), '{}'), coalesce(array_agg(e.value::text::int ORDER BY e.n), '{}')
    INTO naming.names, naming.places
    FROM json_each(places) WITH ORDINALITY AS e (key, value, n);
  RETURN naming;
END $$;

CREATE FUNCTION pgtimewarp.rows_at(p_relation_id integer, p_lsn pg_lsn, p_after text DEFAULT NULL::text, p_upto text DEFAULT NULL::text, p_limit integer DEFAULT NULL::integer, p_keys text[] DEFAULT NULL::text[], p_part json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.row_at
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $_$
DECLARE
  page text;
  versions text;
  truncated text := '';
BEGIN
  IF p_relation_id IS NULL THEN
    RETURN;
  END IF;
  -- the statement contains only the conditions of this call: the planner estimates them better than comparisons with NULL
  page := concat(
    CASE WHEN p_after IS NOT NULL THEN ' AND c.pk > $2' END,
    CASE WHEN p_upto IS NOT NULL THEN ' AND c.pk <= $3' END);
  IF p_part IS NULL THEN
    versions := concat(
      'SELECT c.*, NULL::pg_lsn AS next_lsn
         FROM (SELECT DISTINCT c.pk FROM ', CASE
         WHEN p_keys IS NULL THEN 'pgtimewarp.row_changes AS c WHERE c.relation_id = %1$s AND c.valid_from_lsn <= $1'
         ELSE '(SELECT u.pk COLLATE "C" AS pk FROM unnest($5) AS u (pk)) AS c WHERE true' END,
      page, CASE WHEN p_keys IS NULL THEN ' ORDER BY c.pk LIMIT $4' END, ') AS k
        CROSS JOIN LATERAL (
              SELECT c.pk, c.op, c.valid_from_lsn, c.seq, c.valid_from_ts, c.xid, c.read_lsn, c.leaf_id, c.row_data, c.incomplete,
                     c.json_nulls, c.nulls_assumed
                FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = %1$s AND c.pk = k.pk AND c.valid_from_lsn <= $1
               ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1) AS c');
  ELSE
    versions := concat(
      'SELECT DISTINCT ON (c.pk) c.*
         FROM (SELECT a.pk COLLATE "C" AS pk, a.op, a.valid_from_lsn, a.seq, a.valid_from_ts, a.xid, a.read_lsn, a.leaf_id, a.row_data,
                      a.incomplete, a.json_nulls, a.nulls_assumed,
                      lead(a.valid_from_lsn) OVER (PARTITION BY a.pk COLLATE "C" ORDER BY a.valid_from_lsn, a.seq) AS next_lsn
                 FROM pgtimewarp.archived_changes(%1$s, $6) AS a WHERE a.valid_from_lsn < ($6 ->> ''before'')::pg_lsn) AS c
        WHERE c.valid_from_lsn <= $1', page, CASE WHEN p_keys IS NOT NULL THEN ' AND c.pk = ANY ($5)' END, '
        ORDER BY c.pk, c.valid_from_lsn DESC, c.seq DESC');
  END IF;
  IF EXISTS (SELECT FROM pgtimewarp.relation_events AS e WHERE e.relation_id = p_relation_id AND e.op = 'T' AND e.lsn <= p_lsn) THEN
    truncated := ' OR EXISTS (
                   SELECT FROM pgtimewarp.truncates_after(%1$s, v.valid_from_lsn, v.seq, v.op, v.leaf_id) AS e
                    WHERE e.lsn <= $1)';
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT v.pk, CASE
              WHEN v.op = ''D''' || truncated || ' THEN false
              WHEN v.op <> ''S'' OR v.read_lsn <= $1 THEN true
              WHEN v.next_lsn <= v.read_lsn THEN NULL
              WHEN NOT EXISTS (
                   SELECT FROM pgtimewarp.row_changes AS n
                    WHERE n.relation_id = %1$s AND n.pk = v.pk AND n.valid_from_lsn > $1 AND n.valid_from_lsn <= v.read_lsn)
                   THEN true
            END, v.op, v.valid_from_lsn, v.seq, v.valid_from_ts, v.xid, v.read_lsn, v.leaf_id, v.row_data, v.incomplete,
            v.json_nulls, v.nulls_assumed
       FROM (' || versions || ') AS v
      ORDER BY v.pk LIMIT $4', p_relation_id)
    USING p_lsn, p_after, p_upto, p_limit, p_keys, p_part;
END $_$;

CREATE FUNCTION pgtimewarp.rows_before(p_relation_id integer, p_start pg_lsn, p_through pg_lsn, p_pks text[], p_lsns pg_lsn[], p_seqs integer[], p_unseen_is_absent boolean DEFAULT false, p_part json DEFAULT NULL::json) RETURNS TABLE(place bigint, is_there boolean, leaf_id integer, row_data json, json_nulls text[], incomplete text[], nulls_assumed boolean, lsn pg_lsn, seq integer, ts timestamp with time zone, xid bigint, op "char")
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $_$
#variable_conflict use_column
DECLARE
  changes CONSTANT text := 'SELECT c.leaf_id, c.row_data, c.json_nulls, c.incomplete, c.nulls_assumed, c.valid_from_lsn, c.seq, c.valid_from_ts,
                 c.xid, c.op, c.read_lsn';
  former text := changes || '
            FROM pgtimewarp.row_changes AS c
           WHERE c.relation_id = %1$s AND c.pk = k.pk AND c.valid_from_lsn <= k.lsn AND (c.valid_from_lsn, c.seq) < (k.lsn, k.seq)
           ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1';
  later text := changes || '
            FROM pgtimewarp.row_changes AS c
           WHERE (v.op IS NULL OR v.op = ''S'') AND c.relation_id = %1$s AND c.pk = k.pk
             AND c.valid_from_lsn >= k.lsn AND (c.valid_from_lsn, c.seq) >= (k.lsn, k.seq)
           ORDER BY c.valid_from_lsn, c.seq LIMIT 1';
  keys text := '(SELECT u.pk COLLATE "C" AS pk, u.lsn, u.seq, u.place
               FROM unnest($3, $4, $5) WITH ORDINALITY AS u (pk, lsn, seq, place))';
  archived text := '';
BEGIN
  IF p_part IS NOT NULL THEN
    archived := 'WITH k AS MATERIALIZED ' || keys || ',
      archived AS MATERIALIZED (
        SELECT a.*, a.pk COLLATE "C" AS key FROM pgtimewarp.archived_changes(%1$s, $7) AS a
         WHERE a.valid_from_lsn < ($7 ->> ''before'')::pg_lsn),
      formers AS MATERIALIZED (
        SELECT DISTINCT ON (k.place) k.place, c.*
          FROM k JOIN archived AS c ON c.key = k.pk AND (c.valid_from_lsn, c.seq) < (k.lsn, k.seq)
         ORDER BY k.place, c.valid_from_lsn DESC, c.seq DESC),
      nexts AS MATERIALIZED (
        SELECT DISTINCT ON (k.place) k.place, c.*
          FROM k JOIN archived AS c ON c.key = k.pk AND (c.valid_from_lsn, c.seq) >= (k.lsn, k.seq)
         ORDER BY k.place, c.valid_from_lsn, c.seq) ';
    keys := 'k';
    former := format('SELECT c.* FROM ((%s) UNION ALL (%s FROM formers AS c WHERE c.place = k.place)) AS c
           ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1', former, changes);
    later := format('SELECT c.* FROM ((%s) UNION ALL (%s FROM nexts AS c WHERE c.place = k.place AND (v.op IS NULL OR v.op = ''S''))) AS c
           ORDER BY c.valid_from_lsn, c.seq LIMIT 1', later, changes);
  END IF;
  RETURN QUERY EXECUTE format(
    archived || 'SELECT k.place, CASE
              WHEN v.op = ''D'' OR EXISTS (
                   SELECT FROM pgtimewarp.truncates_after(%1$s, coalesce(v.valid_from_lsn, $1), v.seq, v.op, v.leaf_id) AS e
                    WHERE (e.lsn, e.seq) < (k.lsn, k.seq)) THEN false
              WHEN v.op <> ''S'' THEN true
              -- the key had no change between the start of tracking and this insert, so the row was absent
              WHEN n.op = ''I'' AND (v.op IS NULL OR n.valid_from_lsn <= v.read_lsn)
                   AND ((n.valid_from_lsn, n.seq) = (k.lsn, k.seq)
                        -- after a TRUNCATE or a gap, an insert does not show whether the row was there before
                        OR NOT EXISTS (
                             SELECT FROM pgtimewarp.truncates_after(%1$s, k.lsn, k.seq, ''I'', coalesce(v.leaf_id, n.leaf_id)) AS e
                              WHERE (e.lsn, e.seq) < (n.valid_from_lsn, n.seq))
                           AND NOT EXISTS (
                             SELECT FROM pgtimewarp.history_gaps AS g
                              WHERE g.relation_id = %1$s AND g.from_lsn >= k.lsn AND g.from_lsn < n.valid_from_lsn)) THEN false
              WHEN v.op = ''S'' AND v.read_lsn <= $2 AND (n.op IS NULL OR n.valid_from_lsn > v.read_lsn) THEN true
              WHEN v.op IS NULL AND $6 AND (n.op IS NULL OR n.op = ''I'' OR EXISTS (
                   SELECT FROM pgtimewarp.history_gaps AS g
                    WHERE g.relation_id = %1$s AND g.from_lsn >= k.lsn AND g.from_lsn < n.valid_from_lsn)) THEN false
            END, v.leaf_id, v.row_data, v.json_nulls, v.incomplete, v.nulls_assumed, v.valid_from_lsn, v.seq, v.valid_from_ts, v.xid, v.op
       FROM ' || keys || ' AS k
       LEFT JOIN LATERAL (' || former || ') AS v ON true
       LEFT JOIN LATERAL (' || later || ') AS n ON true
      ORDER BY k.place', p_relation_id)
    USING p_start, p_through, p_pks, p_lsns, p_seqs, p_unseen_is_absent, p_part;
END $_$;

CREATE FUNCTION pgtimewarp.same_value(p_type text, p_json text, p_value text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    AS $_$
DECLARE
  is_same boolean;
BEGIN
  -- arrays are JSON arrays in a row: json_to_record() reads them as the source would
  EXECUTE format('SELECT r.v = $2::%1$s FROM json_to_record(($1)::json) AS r (v %1$s)', p_type::regtype)
     INTO is_same USING '{"v":' || coalesce(p_json, 'null') || '}', p_value;
  RETURN is_same;
END $_$;

CREATE FUNCTION pgtimewarp.sort_place(p_kind text, p_value text) RETURNS pgtimewarp.sort_place
    LANGUAGE plpgsql STABLE
    AS $_$
DECLARE
  place pgtimewarp.sort_place;
BEGIN
  IF p_kind IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8', 'oid', 'xid8') THEN
    IF p_value ~ '^(-?\d+(\.\d+)?([eE][-+]?\d{1,3})?|NaN|-?Infinity)$' THEN
      place.number := p_value::numeric;
    END IF;
  ELSIF p_kind IN ('date', 'timestamp', 'timestamptz', 'interval', 'pg_lsn', 'money') THEN
    BEGIN
      place.number := CASE
        WHEN p_kind = 'interval' THEN pgtimewarp.comparable_value(p_kind, p_value)::numeric
        WHEN p_kind = 'pg_lsn' THEN p_value::pg_lsn - '0/0'::pg_lsn
        WHEN p_kind = 'money' THEN translate(p_value, '$,', '')::numeric
        -- a word such as now, which a text may have held
        WHEN p_value !~ '^(\d{4,7}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d(:\d\d){0,2})?)?( BC)?|-?infinity)$' THEN NULL
        WHEN p_kind = 'date' THEN extract(epoch FROM p_value::date)
        WHEN p_kind = 'timestamp' THEN extract(epoch FROM p_value::timestamp)
        ELSE extract(epoch FROM p_value::timestamptz) END;
    EXCEPTION WHEN data_exception THEN
      NULL; -- by its text
    END;
  END IF;
  IF place.number IS NULL THEN
    place.text := left(p_value, 500);
  END IF;
  RETURN place;
END $_$;

CREATE FUNCTION pgtimewarp.table_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean DEFAULT false) RETURNS TABLE(relation_id integer, lsn_space integer, lsn pg_lsn, through pg_lsn, reason text, unread bigint, unread_reason text, virtual text[], final boolean, horizon_lsn pg_lsn, horizon_ts timestamp with time zone, expired_before_ts timestamp with time zone, columns jsonb, pk_columns text[], excluded_columns text[], archived_before_lsn pg_lsn)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
  at pgtimewarp.history_position;
  period pgtimewarp.relation_periods;
BEGIN
  at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_at_ts, p_at_lsn, p_may_be_archived);
  period := at.period;
  relation_id := period.relation_id; lsn_space := at.lsn_space; lsn := at.lsn; through := at.through; reason := at.reason;
  final := at.final; horizon_lsn := at.horizon_lsn; horizon_ts := at.horizon_ts; expired_before_ts := at.expired_before_ts;
  columns := period.columns; pk_columns := period.pk_columns; excluded_columns := period.excluded_columns;
  archived_before_lsn := at.archived_before_lsn;
  virtual := coalesce(pgtimewarp.incomplete_at(period.relation_id, NULL, at.asked_lsn, at.asked_ts), '{}');
  IF reason IS NULL THEN
    IF period.baseline_state = 'pending' AND at.is_open THEN
      unread_reason := 'baseline_pending'; final := false;
    ELSIF period.baseline_state <> 'done' OR lsn < period.unseen_unknown_before_lsn THEN
      unread_reason := 'before_tracking';
    ELSE
      IF archived_before_lsn IS NOT NULL THEN
        unread := (SELECT count(*) FROM pgtimewarp.archive_cutoffs AS a CROSS JOIN unnest(a.unread_lsns) AS u (lsn)
                    WHERE a.relation_id = period.relation_id AND u.lsn > at.lsn);
      ELSE
        -- the first known change of such a row is an update or a deletion after the instant
        EXECUTE format(
          'SELECT count(*) FROM pgtimewarp.row_changes AS r
            WHERE r.relation_id = %1$s AND r.valid_from_lsn > $1 AND r.valid_from_lsn <= $2 AND r.op IN (''U'', ''D'')
              AND NOT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                               WHERE c.relation_id = %1$s AND c.pk = r.pk
                                 AND (c.valid_from_lsn, c.seq) < (r.valid_from_lsn, r.seq))', relation_id)
           INTO unread USING lsn, period.baseline_lsn;
      END IF;
      unread_reason := CASE WHEN unread > 0 THEN 'before_tracking' END;
    END IF;
  END IF;
  RETURN NEXT;
END $_$;

CREATE FUNCTION pgtimewarp.table_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.history_change
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  ends record;
  place record;
  after pgtimewarp.history_change;
  change pgtimewarp.history_change;
  given int := 0;
  bytes bigint := 0;
  part json;
BEGIN
  PERFORM pgtimewarp.refuse_operations(p_filter, 'changes', '{I,U,D,T,S}');
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  PERFORM pgtimewarp.refuse_other_cursor(p_node_id, p_schema, p_table, p_after_relation_id);
  -- a filter is checked against the present table, even if the interval touches no period
  PERFORM pgtimewarp.row_filters((ends.to_at).period, p_filter -> 'where', true);
  PERFORM pgtimewarp.changed_filter((ends.to_at).period, p_filter -> 'changed', true);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    after := CASE WHEN (place.period).relation_id = p_after_relation_id AND p_after_lsn > place.lower_lsn THEN
      ROW(p_after_relation_id, p_after_lsn, p_after_seq, p_after_pk, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::pgtimewarp.history_change END;
    -- after the cutoff the store has what follows
    part := pgtimewarp.archived_part(
      p_archived, place.period, pgtimewarp.archived_before(place.period, greatest(place.lower_lsn, after.lsn)), place.lower_lsn,
      place.upper_lsn, 'changes');
    FOR change IN
      SELECT c.* FROM pgtimewarp.period_changes(place.period, place.lower_lsn, place.upper_lsn, place.through, p_filter, after,
                                                p_limit - given, p_max_bytes - bytes, part) AS c
    LOOP
      RETURN NEXT change;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(change.context::text), 0) + coalesce(octet_length(change.before::text), 0) + coalesce(octet_length(change.after::text), 0);
    END LOOP;
    IF given >= p_limit OR bytes > p_max_bytes THEN
      RETURN;
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION pgtimewarp.table_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn) RETURNS TABLE(from_ts timestamp with time zone, to_ts timestamp with time zone, horizon_lsn pg_lsn, horizon_ts timestamp with time zone, unknown json, final boolean)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
DECLARE
  ends record;
  place record;
  period pgtimewarp.relation_periods;
  holes pgtimewarp.hole[] := '{}';
  settled boolean := true;
  reason text;
  is_changed boolean;
  read_ts timestamptz;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d
  LOOP
    period := place.period;
    reason := NULL; read_ts := NULL;
    IF period.baseline_state = 'pending' AND place.is_open THEN
      reason := 'baseline_pending'; settled := false;
    ELSIF period.baseline_state <> 'done' THEN
      reason := 'before_tracking';
    ELSIF period.baseline_lsn > period.tracked_from_lsn THEN
      is_changed := (SELECT a.has_changed FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = period.relation_id);
      IF is_changed IS NULL THEN
        EXECUTE format(
          'SELECT EXISTS (SELECT FROM pgtimewarp.row_changes AS r
                           WHERE r.relation_id = %s AND r.valid_from_lsn > $1 AND r.valid_from_lsn <= $2 AND r.op IN (''U'', ''D''))',
          period.relation_id) INTO is_changed USING period.tracked_from_lsn, period.baseline_lsn;
      END IF;
      IF is_changed OR period.unseen_unknown_before_lsn IS NOT NULL THEN
        reason := 'before_tracking';
        read_ts := greatest(
          pgtimewarp.time_at(p_node_id, period.lsn_space, period.baseline_lsn), period.unseen_unknown_before_ts);
      END IF;
    END IF;
    IF reason IS NOT NULL THEN
      holes := holes || ROW(tstzrange(period.tracked_from_ts, coalesce(read_ts, period.tracked_to_ts), '[)'), reason)::pgtimewarp.hole;
    END IF;
  END LOOP;
  RETURN QUERY
    SELECT f.* FROM pgtimewarp.window_frame(
      p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, holes, settled) AS f;
END $_$;

CREATE FUNCTION pgtimewarp.table_rows(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_after text, p_limit integer, p_max_bytes bigint, p_keys text[] DEFAULT NULL::text[], p_archived json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.row_at
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  chunk int := p_limit;
  filters pgtimewarp.row_filter[] := '{}';
  v pgtimewarp.row_at;
  after text := p_after;
  keys int;
  given int := 0;
  bytes bigint := 0;
  part json; -- of the archive; NULL: the store has what is needed
BEGIN
  SELECT pgtimewarp.archived_part(p_archived, p, pgtimewarp.archived_before(p, p_lsn), p_lsn, p_lsn, 'table', coalesce(p_after, ''))
    INTO part
    FROM pgtimewarp.archive_cutoffs AS a JOIN pgtimewarp.relation_periods AS p ON p.relation_id = a.relation_id
   WHERE a.relation_id = p_relation_id AND p_lsn + 1 < a.before_lsn;
  IF p_where <> '{}' THEN
    filters := pgtimewarp.row_filters(
      (SELECT p FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = p_relation_id), p_where, true);
    chunk := greatest(chunk, 1000); -- perhaps only few of the keys match
  END IF;
  LOOP
    keys := 0;
    FOR v IN
      SELECT r.*
        FROM pgtimewarp.rows_at(p_relation_id, p_lsn, p_after => after, p_upto => part -> 'keys' ->> 'upto', p_limit => chunk,
                                p_keys => p_keys, p_part => part) AS r
    LOOP
      keys := keys + 1;
      after := v.pk;
      IF v.op = 'S' AND v.read_lsn > p_through THEN
        v.is_there := NULL; -- the log does not decide it yet
      END IF;
      CONTINUE WHEN v.is_there = false
        OR v.is_there AND filters <> '{}' AND NOT pgtimewarp.row_matches(v.row_data, v.json_nulls, v.incomplete, v.valid_from_lsn, filters);
      RETURN NEXT v;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(v.row_data::text), 0);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN keys < chunk;
  END LOOP;
END $$;

CREATE FUNCTION pgtimewarp.table_rows_by(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_order text[], p_descending boolean, p_after text, p_limit integer, p_max_bytes bigint) RETURNS SETOF pgtimewarp.row_at
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  CHUNK_ROWS CONSTANT int := 5000;
  CHUNK_BYTES CONSTANT bigint := 16777216;
  LOOK_UPS CONSTANT int := 2000 + 5 * p_limit;
  period pgtimewarp.relation_periods := (SELECT p FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = p_relation_id);
  filters pgtimewarp.row_filter[] := '{}';
  names text[] := '{}';
  after text := p_after;
  after_place pgtimewarp.row_place;
  best pgtimewarp.row_place[] := '{}';
  keys text[];
  read_to text; -- the key with which the last chunk ended
  wanted int;
  looked_up int := 0;
  chunk record;
  place pgtimewarp.row_place;
  v pgtimewarp.row_at;
  given int := 0;
  bytes bigint := 0;
BEGIN
  PERFORM pgtimewarp.refuse_archived(p_relation_id, p_lsn);
  FOR place_of IN 1..cardinality(p_order) LOOP
    filters := filters || pgtimewarp.row_filters(period, jsonb_build_object(p_order[place_of], NULL), true);
    names := names || (filters[place_of]).names;
  END LOOP;

  IF p_where = '{}' AND p_order = period.pk_columns AND period.pk_kinds[1] IN ('int2', 'int4', 'int8') AND cardinality(p_order) = 1 THEN
    LOOP
      wanted := least(p_limit - given, 50);
      keys := pgtimewarp.keys_by_number(p_relation_id, p_lsn, after, p_descending, wanted, LOOK_UPS);
      EXIT WHEN keys IS NULL;
      FOR v IN SELECT r.*
                 FROM pgtimewarp.table_rows(p_relation_id, p_lsn, p_through, '{}', NULL, wanted, 9223372036854775807, keys) AS r
                ORDER BY array_position(keys, r.pk) LOOP
        RETURN NEXT v;
        given := given + 1;
        bytes := bytes + coalesce(octet_length(v.row_data::text), 0);
        IF given >= p_limit OR bytes > p_max_bytes THEN
          RETURN;
        END IF;
      END LOOP;
      IF cardinality(keys) < wanted THEN
        RETURN;
      END IF;
      after := keys[wanted];
      looked_up := looked_up + wanted; -- perhaps most of them were deleted
      EXIT WHEN looked_up > LOOK_UPS;
    END LOOP;
  END IF;

  IF after IS NOT NULL THEN
    SELECT r.* INTO v FROM pgtimewarp.rows_at(p_relation_id, p_lsn, p_keys => ARRAY[after]) AS r;
    IF v.pk IS NULL THEN
      RAISE EXCEPTION 'the row where the last page ended is no longer in the history' USING ERRCODE = 'TW006', HINT = 'Start without a cursor.';
    END IF;
    after_place := pgtimewarp.place_of_row(v, period.pk_columns, filters);
  END IF;
  LOOP
    EXECUTE format(
      'WITH page AS MATERIALIZED (
         SELECT r.pk, pgtimewarp.place_of_row(r, $1, $2) AS place, octet_length(r.row_data::text) AS bytes
           FROM pgtimewarp.table_rows($3, $4, $5, $6, $7, $8, $9) AS r),
       best AS (
         SELECT b.place FROM (
                SELECT u AS place FROM unnest($10) AS u
                 UNION ALL
                SELECT p.place FROM page AS p
                 WHERE $11 IS NULL OR (p.place).is_placed AND ((p.place).places, (p.place).pk) %2$s (($12).places, ($12).pk)) AS b
          ORDER BY (b.place).is_placed, (b.place).places %1$s, (b.place).pk %1$s LIMIT $13)
       SELECT ARRAY(SELECT b.place FROM best AS b) AS best,
              (SELECT max(p.pk) FROM page AS p) AS last, (SELECT count(*) >= $8 OR sum(p.bytes) > $9 FROM page AS p) AS goes_on',
      CASE WHEN p_descending THEN 'DESC' ELSE '' END, CASE WHEN p_descending THEN '<' ELSE '>' END)
      INTO chunk
      USING period.pk_columns, filters, p_relation_id, p_lsn, p_through, p_where, read_to, CHUNK_ROWS, CHUNK_BYTES, best, after, after_place,
            p_limit - given;
    best := chunk.best;
    EXIT WHEN NOT coalesce(chunk.goes_on, false);
    read_to := chunk.last;
  END LOOP;

  FOREACH place IN ARRAY best LOOP
    SELECT r.* INTO v FROM pgtimewarp.table_rows(p_relation_id, p_lsn, p_through, '{}', NULL, 1, p_max_bytes, ARRAY[place.pk]) AS r;
    IF NOT place.is_placed THEN
      v.incomplete := v.incomplete || names;
    END IF;
    RETURN NEXT v;
    bytes := bytes + coalesce(octet_length(v.row_data::text), 0);
    EXIT WHEN bytes > p_max_bytes;
  END LOOP;
END $_$;

CREATE FUNCTION pgtimewarp.time_at(p_node_id text, p_space integer, p_lsn pg_lsn) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT c.ts FROM pgtimewarp.commit_at_lsn(p_node_id, p_space, p_lsn) c
$$;

CREATE FUNCTION pgtimewarp.transaction_changes(p_node_id text, p_space integer, p_lsn pg_lsn, p_after_relation_id integer, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_only jsonb DEFAULT NULL::jsonb, p_options jsonb DEFAULT NULL::jsonb, p_archived json DEFAULT NULL::json) RETURNS SETOF pgtimewarp.history_change
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  place record;
  after pgtimewarp.history_change;
  change pgtimewarp.history_change;
  given int := 0;
  bytes bigint := 0;
  part json;
BEGIN
  FOR place IN
    SELECT p AS period, CASE WHEN p.tracked_to_lsn IS NULL THEN c.applied_lsn ELSE p.tracked_to_lsn END AS through
      FROM pgtimewarp.relation_periods AS p JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = p.node_id
      LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND p.lsn_space = p_space AND p.tracked_from_lsn < p_lsn
       AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= p_lsn)
       AND (x.expired_before_lsn < p_lsn) IS NOT FALSE
       AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_only)
       AND (p_after_relation_id IS NULL OR p.relation_id >= p_after_relation_id)
     ORDER BY p.relation_id
  LOOP
    part := pgtimewarp.archived_part(
      p_archived, place.period, pgtimewarp.archived_before(place.period, p_lsn - 1), p_lsn - 1, p_lsn, 'changes');
    after := CASE WHEN (place.period).relation_id = p_after_relation_id THEN
      ROW(p_after_relation_id, p_lsn, p_after_seq, p_after_pk, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::pgtimewarp.history_change END;
    FOR change IN
      SELECT c.* FROM pgtimewarp.period_changes(
        place.period, p_lsn - 1, p_lsn, place.through, p_options, after, p_limit - given, p_max_bytes - bytes, part) AS c
       WHERE c.xid IS NOT NULL -- findings of a repair at the same position belong to no transaction
    LOOP
      RETURN NEXT change;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(change.context::text), 0) + coalesce(octet_length(change.before::text), 0) + coalesce(octet_length(change.after::text), 0);
    END LOOP;
    IF given >= p_limit OR bytes > p_max_bytes THEN
      RETURN;
    END IF;
  END LOOP;
END $$;

CREATE TABLE pgtimewarp.relation_events (
    relation_id integer NOT NULL,
    lsn pg_lsn NOT NULL,
    seq integer NOT NULL,
    leaf_id integer,
    ts timestamp with time zone NOT NULL,
    op "char" NOT NULL,
    xid bigint
);

COMMENT ON TABLE pgtimewarp.relation_events IS 'Events that concern a whole table or partition.';

COMMENT ON COLUMN pgtimewarp.relation_events.relation_id IS 'The table.';

COMMENT ON COLUMN pgtimewarp.relation_events.lsn IS 'The commit LSN.';

COMMENT ON COLUMN pgtimewarp.relation_events.seq IS 'The place within its transaction.';

COMMENT ON COLUMN pgtimewarp.relation_events.leaf_id IS 'The partition; null: the whole table.';

COMMENT ON COLUMN pgtimewarp.relation_events.ts IS 'The time of the commit.';

COMMENT ON COLUMN pgtimewarp.relation_events.op IS 'T: truncated.';

COMMENT ON COLUMN pgtimewarp.relation_events.xid IS 'The transaction.';

CREATE FUNCTION pgtimewarp.truncated_rows(p_period pgtimewarp.relation_periods, p_event pgtimewarp.relation_events, p_through pg_lsn, p_after text, p_limit integer, p_is_rewritten boolean, p_part json DEFAULT NULL::json) RETURNS TABLE(pk text, is_there boolean, row_data json, json_nulls text[], incomplete text[], nulls_assumed boolean, written_lsn pg_lsn)
    LANGUAGE plpgsql STABLE ROWS 500
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $_$
#variable_conflict use_column
DECLARE
  keys text[];
BEGIN
  EXECUTE format(
    'SELECT array_agg(k.pk ORDER BY k.pk) FROM (
       SELECT DISTINCT c.pk FROM %3$s AS c
        WHERE c.relation_id = %1$s AND c.pk > $1 AND c.valid_from_lsn %2$s $2 ORDER BY c.pk LIMIT $3) AS k', p_period.relation_id,
    CASE WHEN p_is_rewritten THEN '>=' ELSE '<=' END, pgtimewarp.changes_source(p_period.relation_id, p_part))
    INTO keys USING p_after, p_event.lsn, p_limit;
  IF keys IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT keys[b.place], b.is_there AND (p_event.leaf_id IS NULL OR b.leaf_id IS NOT DISTINCT FROM p_event.leaf_id),
           b.row_data, b.json_nulls, b.incomplete, b.nulls_assumed, b.lsn
      FROM pgtimewarp.rows_before(p_period.relation_id, p_period.tracked_from_lsn, p_through, keys,
             array_fill(p_event.lsn, ARRAY[cardinality(keys)]), array_fill(p_event.seq, ARRAY[cardinality(keys)]), p_part => p_part) AS b
     ORDER BY b.place;
END $_$;

CREATE FUNCTION pgtimewarp.truncates_after(p_relation_id integer, p_lsn pg_lsn, p_seq integer, p_op "char", p_leaf_id integer) RETURNS SETOF pgtimewarp.relation_events
    LANGUAGE sql STABLE ROWS 1
    AS $$
  SELECT e.*
    FROM pgtimewarp.relation_events AS e
   WHERE e.relation_id = p_relation_id AND e.op = 'T'
     AND (e.lsn, e.seq) > (p_lsn, CASE WHEN p_op <> 'S' THEN p_seq ELSE 2147483647 END)
     AND (e.leaf_id IS NULL OR e.leaf_id = p_leaf_id)
$$;

CREATE FUNCTION pgtimewarp.value_matches(p_row json, p_json_nulls text[], p_name text, p_filter pgtimewarp.row_filter) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  is_json boolean := coalesce(p_filter.kind = 'json' OR p_filter.kind LIKE '=%', false);
  value text;
BEGIN
  IF p_filter.is_null OR is_json THEN
    value := pgtimewarp.json_text(p_row, p_name);
    IF value = 'null' AND NOT coalesce(p_name = ANY (p_json_nulls), false) THEN
      RETURN p_filter.is_null;
    ELSIF p_filter.is_null THEN
      RETURN false;
    END IF;
  ELSE
    value := pgtimewarp.json_value(p_row, ARRAY[p_name]);
  END IF;
  IF value = p_filter.wanted THEN
    RETURN true;
  ELSIF p_filter.kind = 'json' OR value IS NULL OR p_filter.wanted IS NULL THEN
    RETURN false;
  END IF;
  BEGIN
    RETURN CASE WHEN p_filter.kind LIKE '=%' THEN pgtimewarp.same_value(substr(p_filter.kind, 2), value, p_filter.wanted)
                ELSE pgtimewarp.comparable_value(p_filter.kind, value) = p_filter.wanted END IS TRUE;
  EXCEPTION WHEN data_exception THEN
    RETURN false; -- a value of a type that the column had before
  END;
END $$;

CREATE FUNCTION pgtimewarp.version_at(p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq integer, p_through pg_lsn, p_open boolean, p_part json DEFAULT NULL::json) RETURNS pgtimewarp.key_state
    LANGUAGE plpgsql STABLE
    AS $_$
#variable_conflict use_column
DECLARE
  s pgtimewarp.key_state;
  relation int := p_period.relation_id;
  changes text := pgtimewarp.changes_source(p_period.relation_id, p_part);
  start pg_lsn := p_period.tracked_from_lsn;
  is_pending boolean := p_period.baseline_state = 'pending' AND p_open;
  ver record;  -- the last change at or before the position
  nxt record;  -- the first change after it
  cut record;  -- the first TRUNCATE after ver (or after the start of tracking)
  seen boolean;
  truncated boolean;
  cut_first boolean; -- the next event of the key is the TRUNCATE
  told boolean;      -- no change was lost between the position and nxt, so nxt shows what was there
BEGIN
  EXECUTE format(
    'SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id, r.read_lsn, r.row_data,
            r.incomplete, r.json_nulls, r.nulls_assumed
       FROM %2$s r
      WHERE r.relation_id = %1$s AND r.pk = $1 AND r.valid_from_lsn <= $2 AND (r.valid_from_lsn, r.seq) <= ($2, $3)
      ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1', relation, changes) INTO ver USING p_pk, p_lsn, p_seq;
  EXECUTE format(
    'SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id
       FROM %2$s r
      WHERE r.relation_id = %1$s AND r.pk = $1 AND r.valid_from_lsn >= $2 AND (r.valid_from_lsn, r.seq) > ($2, $3)
      ORDER BY r.valid_from_lsn, r.seq LIMIT 1', relation, changes) INTO nxt USING p_pk, p_lsn, p_seq;
  SELECT e.lsn, e.seq, e.ts, e.xid INTO cut
    FROM pgtimewarp.truncates_after(
           relation, coalesce(ver.lsn, start), ver.seq, ver.op, coalesce(ver.leaf_id, nxt.leaf_id)) e
   ORDER BY e.lsn, e.seq LIMIT 1;
  truncated := cut.lsn IS NOT NULL AND (cut.lsn, cut.seq) <= (p_lsn, p_seq);
  cut_first := NOT truncated AND cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq));
  told := nxt.lsn IS NOT NULL AND NOT EXISTS (
    SELECT FROM pgtimewarp.history_gaps g
     WHERE g.node_id = p_period.node_id AND g.relation_id = relation AND g.lsn_space = p_period.lsn_space
       AND g.from_lsn >= p_lsn AND g.from_lsn < nxt.lsn);
  s.settled := true;
  IF cut_first THEN
    s.to_lsn := cut.lsn; s.to_ts := cut.ts; s.to_xid := cut.xid;
  ELSE
    s.to_lsn := nxt.lsn; s.to_ts := nxt.ts; s.to_xid := nxt.xid;
  END IF;

  -- A baseline row is the row at the start only if no change came between the start and its reading. A TRUNCATE in between
  -- does not void it: a row read after the TRUNCATE would have an INSERT in the log.
  seen := ver.lsn IS NOT NULL AND (ver.op <> 'S' OR nxt.lsn IS NULL OR nxt.lsn > ver.read_lsn);
  IF seen AND ver.op = 'S' AND (p_through IS NULL OR p_through < ver.read_lsn) THEN
    s.status := 'unknown'; s.settled := NOT p_open;
    s.reason := CASE WHEN p_open THEN 'baseline_pending' ELSE 'before_tracking' END;
  ELSIF seen THEN
    s.op := ver.op; s.from_lsn := ver.lsn; s.from_seq := ver.seq; s.from_ts := ver.ts; s.from_xid := ver.xid;
    IF s.op = 'D' THEN
      s.status := 'absent'; s.reason := 'deleted';
      s.to_lsn := nxt.lsn; s.to_ts := nxt.ts; s.to_xid := nxt.xid;
    ELSIF truncated THEN
      s.status := 'absent'; s.reason := 'deleted';
      s.op := 'T'; s.from_lsn := cut.lsn; s.from_seq := cut.seq; s.from_ts := cut.ts; s.from_xid := cut.xid;
    ELSE
      s.status := 'found'; s.leaf_id := ver.leaf_id;
      s.row_data := ver.row_data; s.incomplete := ver.incomplete; s.json_nulls := ver.json_nulls;
      s.nulls_assumed := ver.nulls_assumed;
    END IF;
  ELSIF truncated THEN
    -- Every row from the start is gone. While the baseline is read, a row from before the TRUNCATE may still be found.
    s.status := 'absent'; s.reason := 'not_yet_inserted'; s.settled := NOT is_pending;
  ELSIF told AND nxt.op = 'I' AND NOT cut_first THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted'; -- no event between the start and an INSERT: it was not there
  ELSIF told AND nxt.op <> 'I' OR ver.lsn IS NOT NULL THEN
    s.status := 'unknown'; s.reason := 'before_tracking'; -- it was there, but no run read it in time
  ELSIF is_pending THEN
    s.status := 'unknown'; s.reason := 'baseline_pending'; s.settled := false;
  ELSIF p_period.baseline_state = 'done' AND p_lsn >= coalesce(p_period.unseen_unknown_before_lsn, start) THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted';
  ELSE
    -- A later change of the key may still decide this: an INSERT shows that it was not there.
    s.status := 'unknown'; s.reason := 'before_tracking'; s.settled := nxt.lsn IS NOT NULL OR NOT p_open;
  END IF;
  RETURN s;
END $_$;

CREATE FUNCTION pgtimewarp.window_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_holes pgtimewarp.hole[], p_settled boolean) RETURNS TABLE(from_ts timestamp with time zone, to_ts timestamp with time zone, horizon_lsn pg_lsn, horizon_ts timestamp with time zone, unknown json, final boolean)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
  ends record;
  from_at pgtimewarp.history_position;
  to_at pgtimewarp.history_position;
  first_ts timestamptz;
  from_moment record; -- of ends that are positions
  to_moment record;
  until timestamptz;  -- up to which intervals count, without it if the end is a position between two moments
  asked tstzrange;
  holes pgtimewarp.hole[] := p_holes;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  from_at := ends.from_at; to_at := ends.to_at;
  horizon_lsn := to_at.horizon_lsn; horizon_ts := to_at.horizon_ts;
  SELECT min(p.tracked_from_ts) INTO first_ts FROM pgtimewarp.relation_periods p
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table;
  SELECT m.* INTO from_moment FROM pgtimewarp.moment_of(p_node_id, p_schema, p_table, from_at.lsn_space, p_from_lsn) AS m;
  SELECT m.* INTO to_moment FROM pgtimewarp.moment_of(p_node_id, p_schema, p_table, to_at.lsn_space, p_to_lsn) AS m;
  from_ts := CASE WHEN p_from_lsn IS NULL THEN coalesce(p_from_ts, first_ts) ELSE from_moment.at_ts END;
  to_ts := CASE WHEN p_to_lsn IS NULL THEN coalesce(p_to_ts, greatest(horizon_ts, from_ts)) ELSE to_moment.at_ts END;
  until := CASE WHEN p_to_lsn IS NULL OR to_moment.is_exact THEN to_ts ELSE to_moment.next_ts END;
  IF from_ts > until AND (p_from_ts IS NOT NULL OR p_from_lsn IS NOT NULL) OR p_from_lsn > p_to_lsn THEN
    RAISE EXCEPTION 'the interval ends before it begins' USING ERRCODE = 'TW004';
  END IF;
  asked := tstzrange(
    -- a position before every moment: everything before; an end before the start of tracking: that end
    CASE WHEN p_from_lsn IS NULL OR from_ts IS NOT NULL THEN least(from_ts, until) END, until,
    CASE WHEN p_from_lsn IS NOT NULL AND NOT from_moment.is_exact THEN '(' ELSE '[' END
    || CASE WHEN p_to_lsn IS NOT NULL AND NOT to_moment.is_exact THEN ')' ELSE ']' END);
  from_ts := least(from_ts, to_ts);

  -- Intervals without a running period.
  holes := holes || ROW(tstzrange('-infinity', first_ts, '[)'),
    CASE WHEN first_ts IS NULL THEN 'baseline_pending' ELSE 'before_tracking' END)::pgtimewarp.hole;
  holes := holes || ARRAY(
    SELECT ROW(tstzrange(b.tracked_to_ts, b.next_ts, '()'), 'in_gap')::pgtimewarp.hole
      FROM (SELECT p.tracked_to_ts, lead(p.tracked_from_ts) OVER (ORDER BY p.tracked_from_ts) AS next_ts
              FROM pgtimewarp.relation_periods p
             WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
               AND p.tracked_from_ts IS NOT NULL) b
     WHERE b.tracked_to_ts < b.next_ts OR b.tracked_to_ts IS NOT NULL AND b.next_ts IS NULL
    UNION ALL
    SELECT ROW(tstzrange(g.from_ts, g.to_ts, '()'), 'in_gap')::pgtimewarp.hole
      FROM pgtimewarp.history_gaps g
     WHERE g.node_id = p_node_id
       AND (g.relation_id IS NULL OR g.relation_id IN (
             SELECT p.relation_id FROM pgtimewarp.relation_periods p
              WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table)));
  -- The interval before the cutoff: see retention_advance().
  holes := holes || ARRAY(
    SELECT ROW(tstzrange(p.tracked_from_ts, least(x.expired_before_ts, p.tracked_to_ts), '[)'), 'expired')::pgtimewarp.hole
      FROM pgtimewarp.relation_periods p JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
       AND x.expired_before_ts IS NOT NULL);

  SELECT coalesce(json_agg(json_build_object('from', pgtimewarp.json_instant(lower(r))::json,
                                             'to', pgtimewarp.json_instant(upper(r))::json, 'reason', reason)
                           ORDER BY lower(r), reason), '[]')
    INTO unknown
    FROM (SELECT h.reason, unnest(range_agg(h.span * asked)) AS r
            FROM unnest(holes) h GROUP BY h.reason) merged;
  final := p_settled AND to_at.final;
  RETURN NEXT;
END $$;

CREATE FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;

CREATE TABLE pgtimewarp.archive_cutoffs (
    relation_id integer NOT NULL,
    before_lsn pg_lsn NOT NULL,
    before_ts timestamp with time zone NOT NULL,
    upto_lsn pg_lsn NOT NULL,
    cutoff_xid xid8 NOT NULL,
    has_changed boolean NOT NULL,
    unread_lsns pg_lsn[] NOT NULL
);

COMMENT ON TABLE pgtimewarp.archive_cutoffs IS 'Where the history of a period begins in the store. Older changes are in the archive alone, or will soon be; of each key the store keeps the last of them.';

COMMENT ON COLUMN pgtimewarp.archive_cutoffs.relation_id IS 'The period.';

COMMENT ON COLUMN pgtimewarp.archive_cutoffs.before_lsn IS 'Questions about positions that need an earlier change than this are answered from the archive.';

COMMENT ON COLUMN pgtimewarp.archive_cutoffs.before_ts IS 'A time at or after every commit before before_lsn.';

COMMENT ON COLUMN pgtimewarp.archive_cutoffs.upto_lsn IS 'Ranges that end up to here may be dropped: no change lies between before_lsn and it.';

COMMENT ON COLUMN pgtimewarp.archive_cutoffs.cutoff_xid IS 'The transaction that moved the cutoff last.';

COMMENT ON COLUMN pgtimewarp.archive_cutoffs.has_changed IS 'Whether rows were updated or deleted while the baseline was read.';

COMMENT ON COLUMN pgtimewarp.archive_cutoffs.unread_lsns IS 'When rows that no run had read first changed or were removed, while the baseline was read.';

CREATE TABLE pgtimewarp.archive_files (
    path text NOT NULL,
    relation_id integer NOT NULL,
    unit integer NOT NULL,
    sha256 text NOT NULL,
    bytes bigint NOT NULL,
    row_count bigint NOT NULL,
    min_pk text NOT NULL COLLATE pg_catalog."C",
    max_pk text NOT NULL COLLATE pg_catalog."C",
    min_lsn pg_lsn NOT NULL,
    max_lsn pg_lsn NOT NULL,
    min_ts timestamp with time zone NOT NULL,
    max_ts timestamp with time zone NOT NULL,
    groups jsonb NOT NULL
);

COMMENT ON TABLE pgtimewarp.archive_files IS 'The Parquet files of the archive. No key is in two files of a unit.';

COMMENT ON COLUMN pgtimewarp.archive_files.path IS 'The URL of the object: s3://bucket/key.';

COMMENT ON COLUMN pgtimewarp.archive_files.relation_id IS 'The period of the table.';

COMMENT ON COLUMN pgtimewarp.archive_files.unit IS 'The unit.';

COMMENT ON COLUMN pgtimewarp.archive_files.sha256 IS 'The digest of the object, in hexadecimal digits.';

COMMENT ON COLUMN pgtimewarp.archive_files.bytes IS 'Its size.';

COMMENT ON COLUMN pgtimewarp.archive_files.row_count IS 'Its rows.';

COMMENT ON COLUMN pgtimewarp.archive_files.min_pk IS 'Its first key; empty if it has TRUNCATEs, which have no key.';

COMMENT ON COLUMN pgtimewarp.archive_files.max_pk IS 'Its last key.';

COMMENT ON COLUMN pgtimewarp.archive_files.min_lsn IS 'Its earliest commit LSN.';

COMMENT ON COLUMN pgtimewarp.archive_files.max_lsn IS 'Its latest commit LSN.';

COMMENT ON COLUMN pgtimewarp.archive_files.min_ts IS 'Its earliest time of a commit.';

COMMENT ON COLUMN pgtimewarp.archive_files.max_ts IS 'Its latest time of a commit.';

COMMENT ON COLUMN pgtimewarp.archive_files.groups IS 'Where its row groups and their indexes lie, so that a key is found without reading the footer (core/archive/row-groups.ts).';

CREATE TABLE pgtimewarp.archive_settings (
    node_id text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    hot interval NOT NULL,
    min_rows integer NOT NULL,
    is_on boolean DEFAULT true NOT NULL,
    drops boolean DEFAULT false NOT NULL,
    archive_id uuid DEFAULT gen_random_uuid() NOT NULL
);

COMMENT ON TABLE pgtimewarp.archive_settings IS 'The tables whose history is copied to the archive.';

COMMENT ON COLUMN pgtimewarp.archive_settings.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.archive_settings.schema_name IS 'The schema of the table.';

COMMENT ON COLUMN pgtimewarp.archive_settings.table_name IS 'The name under which the table is tracked.';

COMMENT ON COLUMN pgtimewarp.archive_settings.hot IS 'History that is older than this is archived.';

COMMENT ON COLUMN pgtimewarp.archive_settings.min_rows IS 'A unit with fewer rows waits.';

COMMENT ON COLUMN pgtimewarp.archive_settings.is_on IS 'false: no new unit is begun; what is archived stays.';

COMMENT ON COLUMN pgtimewarp.archive_settings.drops IS 'Whether archived history is dropped from the store once it is verified.';

COMMENT ON COLUMN pgtimewarp.archive_settings.archive_id IS 'The Iceberg table has the same id as a property, so that another store with the same names does not write to it.';

CREATE TABLE pgtimewarp.archive_units (
    relation_id integer NOT NULL,
    unit integer NOT NULL,
    lsn_space integer NOT NULL,
    from_lsn pg_lsn NOT NULL,
    to_lsn pg_lsn NOT NULL,
    to_ts timestamp with time zone NOT NULL,
    state text DEFAULT 'planned'::text NOT NULL,
    row_count bigint,
    checksum numeric,
    snapshot_id bigint,
    epoch bigint NOT NULL,
    planned_at timestamp with time zone DEFAULT now() NOT NULL,
    verified_at timestamp with time zone,
    CONSTRAINT archive_units_state_check CHECK ((state = ANY (ARRAY['planned'::text, 'written'::text, 'committed'::text, 'verified'::text])))
);

COMMENT ON TABLE pgtimewarp.archive_units IS 'Closed intervals of history, each of which is archived as a whole. Units of a relation follow each other without a gap.';

COMMENT ON COLUMN pgtimewarp.archive_units.relation_id IS 'The period of the table.';

COMMENT ON COLUMN pgtimewarp.archive_units.unit IS 'The place of the unit in its relation: 1 is the oldest.';

COMMENT ON COLUMN pgtimewarp.archive_units.lsn_space IS 'The LSN space of the positions.';

COMMENT ON COLUMN pgtimewarp.archive_units.from_lsn IS 'Inclusive; 0/0: everything before to_lsn.';

COMMENT ON COLUMN pgtimewarp.archive_units.to_lsn IS 'Exclusive.';

COMMENT ON COLUMN pgtimewarp.archive_units.to_ts IS 'Every commit up to this time lies before to_lsn, every later one does not.';

COMMENT ON COLUMN pgtimewarp.archive_units.state IS 'planned: the boundary is fixed | written: its files are in the bucket | committed: a snapshot of the Iceberg table has them | verified: read back, they equal the store.';

COMMENT ON COLUMN pgtimewarp.archive_units.row_count IS 'Rows in its files, from the state written on.';

COMMENT ON COLUMN pgtimewarp.archive_units.checksum IS 'The sum of the hashes of these rows (core/archive/row-checksum.ts).';

COMMENT ON COLUMN pgtimewarp.archive_units.snapshot_id IS 'The snapshot that added the files; null: there are none, or another archiver added them.';

COMMENT ON COLUMN pgtimewarp.archive_units.epoch IS 'The claim under which it was planned.';

COMMENT ON COLUMN pgtimewarp.archive_units.planned_at IS 'When it was planned.';

COMMENT ON COLUMN pgtimewarp.archive_units.verified_at IS 'When its files were last read back and equal to the store.';

CREATE VIEW pgtimewarp.asof_answers AS
 SELECT a.question,
    a.answer
   FROM pgtimewarp.answer_asof() a(question, answer);

CREATE TABLE pgtimewarp.blocked_changes (
    node_id text NOT NULL,
    lsn_space integer NOT NULL,
    lsn pg_lsn NOT NULL,
    "position" integer NOT NULL,
    xid bigint NOT NULL,
    data text,
    kept_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE pgtimewarp.blocked_changes IS 'The output of the plugin for a transaction that could not be applied, for inspection.';

COMMENT ON COLUMN pgtimewarp.blocked_changes.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.blocked_changes.lsn_space IS 'The LSN space of lsn.';

COMMENT ON COLUMN pgtimewarp.blocked_changes.lsn IS 'The commit LSN.';

COMMENT ON COLUMN pgtimewarp.blocked_changes."position" IS 'The place of the row within its transaction.';

COMMENT ON COLUMN pgtimewarp.blocked_changes.xid IS 'The transaction.';

COMMENT ON COLUMN pgtimewarp.blocked_changes.data IS 'The row of the plugin; null if it may contain values of excluded columns.';

COMMENT ON COLUMN pgtimewarp.blocked_changes.kept_at IS 'When the row was stored.';

CREATE VIEW pgtimewarp.changes_answers AS
 SELECT a.question,
    a.place,
    a.frame,
    a.schema_name,
    a.table_name,
    a.pk,
    a.op,
    a.lsn,
    a.ts,
    a.xid,
    a.context,
    a.before,
    a.after,
    a.changed,
    a.incomplete,
    a.assumes
   FROM pgtimewarp.answer_changes() a(question, place, frame, schema_name, table_name, pk, op, lsn, ts, xid, context, before, after, changed, incomplete, assumes);

CREATE TABLE pgtimewarp.deployment_requests (
    arrival bigint NOT NULL,
    deployment text NOT NULL,
    request_id text NOT NULL,
    arrived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    answer jsonb
);

COMMENT ON TABLE pgtimewarp.deployment_requests IS 'Requests of deployments: the last one of each counts.';

COMMENT ON COLUMN pgtimewarp.deployment_requests.arrival IS 'Ascending in the order of arrival.';

COMMENT ON COLUMN pgtimewarp.deployment_requests.deployment IS 'Stack and resource.';

COMMENT ON COLUMN pgtimewarp.deployment_requests.request_id IS 'CloudFormation''s id of the request; it is the same when the request is delivered again.';

COMMENT ON COLUMN pgtimewarp.deployment_requests.arrived_at IS 'When it first arrived.';

COMMENT ON COLUMN pgtimewarp.deployment_requests.answer IS 'The answer to the request; null: none yet.';

ALTER TABLE pgtimewarp.deployment_requests ALTER COLUMN arrival ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgtimewarp.deployment_requests_arrival_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW pgtimewarp.diff_answers AS
 SELECT d.question,
    d.place,
    d.frame,
    d.op,
    d.valid_from_ts,
    d.valid_from_lsn,
    d.xid,
    d.row_data,
    d.changed,
    d.context
   FROM pgtimewarp.answer_diff() d(question, place, frame, op, valid_from_ts, valid_from_lsn, xid, row_data, changed, context);

CREATE VIEW pgtimewarp.find_answers AS
 SELECT a.question,
    a.place,
    a.frame,
    a.pk,
    a.valid_from_lsn,
    a.valid_from_ts,
    a.valid_from_xid,
    a.valid_to_lsn,
    a.valid_to_ts,
    a.valid_to_xid,
    a.row_data,
    a.incomplete,
    a.assumes
   FROM pgtimewarp.answer_find() a(question, place, frame, pk, valid_from_lsn, valid_from_ts, valid_from_xid, valid_to_lsn, valid_to_ts, valid_to_xid, row_data, incomplete, assumes);

CREATE TABLE pgtimewarp.follow_rules (
    node_id text NOT NULL,
    pattern text NOT NULL,
    retention interval,
    excluded_columns text[] DEFAULT '{}'::text[] NOT NULL,
    baseline boolean DEFAULT true NOT NULL,
    no_nan boolean DEFAULT false NOT NULL,
    is_shared boolean DEFAULT false NOT NULL,
    not_tracked jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE pgtimewarp.follow_rules IS 'Patterns for tables that are created later: runs track every table that matches and was never tracked.';

COMMENT ON COLUMN pgtimewarp.follow_rules.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.follow_rules.pattern IS 'A psql pattern in canonical spelling (core/pg/table-pattern.ts).';

COMMENT ON COLUMN pgtimewarp.follow_rules.retention IS 'How long history of such a table is kept; null: the default of the node.';

COMMENT ON COLUMN pgtimewarp.follow_rules.excluded_columns IS 'Columns that are never stored, for tables that have them.';

COMMENT ON COLUMN pgtimewarp.follow_rules.baseline IS 'Whether runs read the rows that a new table already holds.';

COMMENT ON COLUMN pgtimewarp.follow_rules.no_nan IS 'Declared by track --no-nan: numeric and float columns never hold NaN or infinity.';

COMMENT ON COLUMN pgtimewarp.follow_rules.is_shared IS 'Declared by track --shared: another node of the same database may track such a table, too.';

COMMENT ON COLUMN pgtimewarp.follow_rules.not_tracked IS '[{"table", "reason"}]: tables that match but cannot be tracked, as of the last run.';

COMMENT ON COLUMN pgtimewarp.follow_rules.created_at IS 'When the rule was made. If two rules match a table, the older one applies.';

CREATE TABLE pgtimewarp.health_events (
    id bigint NOT NULL,
    node_id text,
    ts timestamp with time zone DEFAULT now() NOT NULL,
    severity text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    meta jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT health_events_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warn'::text, 'fail'::text])))
);

COMMENT ON TABLE pgtimewarp.health_events IS 'Events of nodes: losses, repairs, failures, failing checks of the doctor.';

COMMENT ON COLUMN pgtimewarp.health_events.id IS 'Ascending in the order of writing.';

COMMENT ON COLUMN pgtimewarp.health_events.node_id IS 'The node; null: the event concerns no single node.';

COMMENT ON COLUMN pgtimewarp.health_events.ts IS 'When it was written.';

COMMENT ON COLUMN pgtimewarp.health_events.severity IS 'info | warn | fail.';

COMMENT ON COLUMN pgtimewarp.health_events.code IS 'The kind of event, for programs.';

COMMENT ON COLUMN pgtimewarp.health_events.message IS 'The description of the event, for people.';

COMMENT ON COLUMN pgtimewarp.health_events.meta IS 'Facts that belong to the code.';

ALTER TABLE pgtimewarp.health_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgtimewarp.health_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgtimewarp.history_gaps (
    id bigint NOT NULL,
    node_id text NOT NULL,
    relation_id integer,
    lsn_space integer DEFAULT 1 NOT NULL,
    from_lsn pg_lsn NOT NULL,
    to_lsn pg_lsn,
    from_ts timestamp with time zone NOT NULL,
    to_ts timestamp with time zone,
    reason text NOT NULL,
    detected_at timestamp with time zone DEFAULT now() NOT NULL,
    code text
);

COMMENT ON TABLE pgtimewarp.history_gaps IS 'Intervals for which the log does not contain every change.';

COMMENT ON COLUMN pgtimewarp.history_gaps.id IS 'Ascending in the order of detection.';

COMMENT ON COLUMN pgtimewarp.history_gaps.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.history_gaps.relation_id IS 'The table; null: all tables of the node.';

COMMENT ON COLUMN pgtimewarp.history_gaps.lsn_space IS 'The LSN space of from_lsn. to_lsn belongs to the space that begins there, which may be another one.';

COMMENT ON COLUMN pgtimewarp.history_gaps.from_lsn IS 'History is known up to and including this position.';

COMMENT ON COLUMN pgtimewarp.history_gaps.to_lsn IS 'History is known again from this position (inclusive). Null: the gap is open, or it ended in another LSN space.';

COMMENT ON COLUMN pgtimewarp.history_gaps.from_ts IS 'The time of from_lsn.';

COMMENT ON COLUMN pgtimewarp.history_gaps.to_ts IS 'The time when the gap ended; null: the gap is open.';

COMMENT ON COLUMN pgtimewarp.history_gaps.reason IS 'What was lost and why, for people.';

COMMENT ON COLUMN pgtimewarp.history_gaps.detected_at IS 'When the gap was detected.';

COMMENT ON COLUMN pgtimewarp.history_gaps.code IS 'The cause, for programs.';

ALTER TABLE pgtimewarp.history_gaps ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgtimewarp.history_gaps_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW pgtimewarp.history_tables AS
 SELECT p.node_id,
    p.schema_name,
    p.table_name,
    max(t.relid) AS relid
   FROM (pgtimewarp.relation_periods p
     LEFT JOIN pgtimewarp.tracked_relations t ON ((t.relation_id = p.relation_id)))
  GROUP BY p.node_id, p.schema_name, p.table_name;

CREATE TABLE pgtimewarp.lsn_time_map (
    node_id text NOT NULL,
    lsn_space integer DEFAULT 1 NOT NULL,
    lsn pg_lsn NOT NULL,
    ts timestamp with time zone NOT NULL,
    commit_ts timestamp with time zone,
    xid bigint
);

COMMENT ON TABLE pgtimewarp.lsn_time_map IS 'The time map: position to time and back, for commits that changed tracked tables and for horizons. Commits of a node share a time if another node left no free microsecond; as of that time all of them count.';

COMMENT ON COLUMN pgtimewarp.lsn_time_map.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.lsn_time_map.lsn_space IS 'The LSN space of lsn.';

COMMENT ON COLUMN pgtimewarp.lsn_time_map.lsn IS 'The commit LSN, or a horizon.';

COMMENT ON COLUMN pgtimewarp.lsn_time_map.ts IS 'The time of the position; never earlier than that of a position before.';

COMMENT ON COLUMN pgtimewarp.lsn_time_map.commit_ts IS 'The time that the source gave the commit; null for a horizon.';

COMMENT ON COLUMN pgtimewarp.lsn_time_map.xid IS 'The transaction; null for a horizon.';

CREATE TABLE pgtimewarp.nodes (
    node_id text NOT NULL,
    system_identifier text NOT NULL,
    timeline integer NOT NULL,
    database_name text NOT NULL,
    slot_name text NOT NULL,
    plugin text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    status_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen timestamp with time zone,
    version text,
    meta jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT nodes_node_id_check CHECK ((node_id ~ '^[a-z0-9_]{1,40}$'::text)),
    CONSTRAINT nodes_plugin_check CHECK ((plugin = ANY (ARRAY['wal2json'::text, 'pgoutput'::text]))),
    CONSTRAINT nodes_status_check CHECK ((status = ANY (ARRAY['active'::text, 'gap'::text, 'blocked'::text, 'removed'::text])))
);

COMMENT ON TABLE pgtimewarp.nodes IS 'One row per observed source database.';

COMMENT ON COLUMN pgtimewarp.nodes.node_id IS 'The name of the node in commands.';

COMMENT ON COLUMN pgtimewarp.nodes.system_identifier IS 'The system identifier of the source server, from pg_control_system().';

COMMENT ON COLUMN pgtimewarp.nodes.timeline IS 'The timeline of the source server, as of the last run.';

COMMENT ON COLUMN pgtimewarp.nodes.database_name IS 'The source database, as of the last run.';

COMMENT ON COLUMN pgtimewarp.nodes.slot_name IS 'The logical replication slot on the source.';

COMMENT ON COLUMN pgtimewarp.nodes.plugin IS 'The output plugin of the slot.';

COMMENT ON COLUMN pgtimewarp.nodes.status IS 'active | gap: a loss is recorded, rebaseline is needed | blocked: a transaction cannot be applied | removed: deinit; history stays.';

COMMENT ON COLUMN pgtimewarp.nodes.status_reason IS 'The reason for gap or blocked, for people.';

COMMENT ON COLUMN pgtimewarp.nodes.created_at IS 'When init created the node.';

COMMENT ON COLUMN pgtimewarp.nodes.last_seen IS 'When a run last reached the source.';

COMMENT ON COLUMN pgtimewarp.nodes.version IS 'The version of pgtimewarp that created the node.';

COMMENT ON COLUMN pgtimewarp.nodes.meta IS 'Settings of the node: features of the plugin, WAL budget of the slot.';

CREATE TABLE pgtimewarp.wal_checkpoints (
    node_id text NOT NULL,
    slot_name text NOT NULL,
    lsn_space integer DEFAULT 1 NOT NULL,
    applied_lsn pg_lsn NOT NULL,
    applied_ts timestamp with time zone NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    lease_pid integer,
    lease_until timestamp with time zone,
    last_run_at timestamp with time zone,
    last_run_outcome text,
    caught_up boolean DEFAULT false NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    failure jsonb,
    map_from_lsn pg_lsn
);

COMMENT ON TABLE pgtimewarp.wal_checkpoints IS 'The horizon of each node, and the claim of the run that is under way.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.slot_name IS 'The slot that the horizon belongs to.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lsn_space IS 'The number of the LSN space. LSNs are comparable only within one; another server behind the node begins a new one.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.applied_lsn IS 'The horizon: everything committed up to here is stored.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.applied_ts IS 'The time of the horizon.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.epoch IS 'Every claim raises it and every write compares it, so a run that has lost its claim writes nothing.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lease_pid IS 'The server process of the run that holds the claim.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lease_until IS 'When the claim ends if it is not renewed.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.last_run_at IS 'When the last run ended.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.last_run_outcome IS 'How the last run ended.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.caught_up IS 'Whether the last run reached the end of WAL.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.failures IS 'Failed runs in a row at the same position.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.failure IS 'Position and reason of the last of these failures.';

COMMENT ON COLUMN pgtimewarp.wal_checkpoints.map_from_lsn IS 'Entries of lsn_time_map before this position (in the present LSN space) have been deleted.';

CREATE VIEW pgtimewarp.node_status AS
 SELECT n.node_id,
    n.status,
    n.status_reason,
    c.applied_lsn AS horizon_lsn,
    c.applied_ts AS horizon_ts,
    c.caught_up,
    c.last_run_at,
    ( SELECT count(*) AS count
           FROM pgtimewarp.tracked_relations t
          WHERE ((t.node_id = n.node_id) AND (t.status <> 'untracked'::text))) AS tables,
    ( SELECT count(*) AS count
           FROM pgtimewarp.history_gaps g
          WHERE ((g.node_id = n.node_id) AND (g.to_ts IS NULL) AND ((g.relation_id IS NULL) OR (EXISTS ( SELECT
                   FROM pgtimewarp.tracked_relations t
                  WHERE ((t.relation_id = g.relation_id) AND (t.status <> 'untracked'::text))))))) AS open_gaps
   FROM (pgtimewarp.nodes n
     LEFT JOIN pgtimewarp.wal_checkpoints c ON ((c.node_id = n.node_id)));

CREATE VIEW pgtimewarp.past_answers AS
 SELECT p.question,
    p.frame,
    p.pk,
    p.row_data,
    p.json_nulls,
    p.is_computed
   FROM pgtimewarp.answer_past() p(question, frame, pk, row_data, json_nulls, is_computed);

CREATE TABLE pgtimewarp.rebaseline_findings (
    relation_id integer NOT NULL,
    pk text NOT NULL COLLATE pg_catalog."C",
    leaf_id integer,
    row_data json,
    json_nulls text[]
);

COMMENT ON TABLE pgtimewarp.rebaseline_findings IS 'Findings: rows that a repair read and that differ from history, until the end of the repair decides about them.';

COMMENT ON COLUMN pgtimewarp.rebaseline_findings.relation_id IS 'The table.';

COMMENT ON COLUMN pgtimewarp.rebaseline_findings.pk IS 'The key, as in row_changes.';

COMMENT ON COLUMN pgtimewarp.rebaseline_findings.leaf_id IS 'The partition of the row.';

COMMENT ON COLUMN pgtimewarp.rebaseline_findings.row_data IS 'The row as the repair read it; null: the row is gone.';

COMMENT ON COLUMN pgtimewarp.rebaseline_findings.json_nulls IS 'As in row_changes.';

CREATE TABLE pgtimewarp.relation_leaves (
    leaf_id integer NOT NULL,
    relation_id integer NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    relid oid,
    attached boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_after_lsn pg_lsn,
    seen_after_ts timestamp with time zone,
    checked boolean DEFAULT true NOT NULL,
    first_change_lsn pg_lsn,
    changed_unheard boolean DEFAULT false NOT NULL,
    attached_at jsonb DEFAULT '{}'::jsonb NOT NULL,
    judged_upto text[]
);

COMMENT ON TABLE pgtimewarp.relation_leaves IS 'Partitions (leaves) of tracked partitioned tables. A renamed leaf keeps its id; a recreated one gets a new id.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.leaf_id IS 'The id that changes of the leaf refer to.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.relation_id IS 'The partitioned table.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.schema_name IS 'Its schema, as of the last run.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.table_name IS 'Its name, as of the last run.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.relid IS 'Its OID.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.attached IS 'Whether it was a partition at the last run.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.created_at IS 'When a run first found it.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.seen_after_lsn IS 'The horizon when it was first found. If it turns out to have come with rows, the gap begins here.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.seen_after_ts IS 'The time of seen_after_lsn.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.checked IS 'false until it is known whether it came with rows.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.first_change_lsn IS 'The first of its changes since it was found.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.changed_unheard IS 'The log has an update or delete of a row, but not the insert of that row.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.attached_at IS 'For each transaction that attached it: {lsn, exactly}. If exactly is false, lsn is an upper bound.';

COMMENT ON COLUMN pgtimewarp.relation_leaves.judged_upto IS 'Its rows are judged up to this key; null: none yet.';

ALTER TABLE pgtimewarp.relation_leaves ALTER COLUMN leaf_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgtimewarp.relation_leaves_leaf_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE pgtimewarp.relation_range_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE pgtimewarp.relation_ranges (
    relation_id integer NOT NULL,
    table_name text NOT NULL,
    from_lsn pg_lsn,
    to_lsn pg_lsn,
    opened_ts timestamp with time zone,
    state text NOT NULL,
    is_base boolean DEFAULT false NOT NULL,
    built_to_pk text COLLATE pg_catalog."C",
    keeps_deletions boolean DEFAULT false NOT NULL,
    built_xid xid8,
    CONSTRAINT relation_ranges_state_check CHECK ((state = ANY (ARRAY['attached'::text, 'building'::text, 'built'::text])))
);

COMMENT ON TABLE pgtimewarp.relation_ranges IS 'The ranges of valid_from_lsn into which a partition of row_changes is divided. The transaction that changes a range in the catalog also changes its row here.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.relation_id IS 'The table.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.table_name IS 'The range, a table of schema pgtimewarp.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.from_lsn IS 'Inclusive; null: from the beginning.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.to_lsn IS 'Exclusive; null: open.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.opened_ts IS 'A time at or after every commit before from_lsn; null until the horizon reaches from_lsn.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.state IS 'attached | building: a new lowest range that is not attached yet | built: waits for the exchange.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.is_base IS 'Holds one version per key: the one that was valid at its end.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.built_to_pk IS 'While building: keys up to this one are done.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.keeps_deletions IS 'While building: deletions are copied too, because only they show that a key is known.';

COMMENT ON COLUMN pgtimewarp.relation_ranges.built_xid IS 'The transaction that finished it. Older snapshots do not see its rows.';

CREATE TABLE pgtimewarp.relation_retention (
    relation_id integer NOT NULL,
    retention interval,
    expired_before_lsn pg_lsn,
    expired_before_ts timestamp with time zone,
    cutoff_xid xid8,
    is_dropped boolean DEFAULT false NOT NULL,
    contexts_upto_lsn pg_lsn,
    contexts_upto_seq integer
);

COMMENT ON TABLE pgtimewarp.relation_retention IS 'The retention of each period. It is not in tracked_relations because history of earlier periods expires too.';

COMMENT ON COLUMN pgtimewarp.relation_retention.relation_id IS 'The period.';

COMMENT ON COLUMN pgtimewarp.relation_retention.retention IS 'The window; null: nothing more expires, but expired history stays expired.';

COMMENT ON COLUMN pgtimewarp.relation_retention.expired_before_lsn IS 'The cutoff: the oldest position with an answer; null: nothing has expired yet.';

COMMENT ON COLUMN pgtimewarp.relation_retention.expired_before_ts IS 'The time of the cutoff.';

COMMENT ON COLUMN pgtimewarp.relation_retention.cutoff_xid IS 'The transaction that moved the cutoff last.';

COMMENT ON COLUMN pgtimewarp.relation_retention.is_dropped IS 'The whole period is older than the window and has been deleted.';

COMMENT ON COLUMN pgtimewarp.relation_retention.contexts_upto_lsn IS 'Retention has checked contexts up to here.';

COMMENT ON COLUMN pgtimewarp.relation_retention.contexts_upto_seq IS 'The place in the transaction at contexts_upto_lsn up to which contexts are checked; null: all of them.';

CREATE TABLE pgtimewarp.removals (
    node_id text NOT NULL,
    asked_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE pgtimewarp.removals IS 'The last removal request of each node. An init that began before the request does not finish.';

COMMENT ON COLUMN pgtimewarp.removals.node_id IS 'The node, which may not exist yet.';

COMMENT ON COLUMN pgtimewarp.removals.asked_at IS 'When the removal was requested.';

CREATE TABLE pgtimewarp.row_changes (
    valid_from_lsn pg_lsn NOT NULL,
    valid_from_ts timestamp with time zone NOT NULL,
    xid bigint,
    read_lsn pg_lsn,
    relation_id integer NOT NULL,
    seq integer NOT NULL,
    leaf_id integer,
    op "char" NOT NULL,
    pk text NOT NULL COLLATE pg_catalog."C",
    row_data json,
    incomplete text[],
    json_nulls text[],
    nulls_assumed boolean
)
PARTITION BY LIST (relation_id);

COMMENT ON TABLE pgtimewarp.row_changes IS 'One row per change. An update of the key is a D and an I.';

COMMENT ON COLUMN pgtimewarp.row_changes.valid_from_lsn IS 'The commit LSN.';

COMMENT ON COLUMN pgtimewarp.row_changes.valid_from_ts IS 'The time of the commit.';

COMMENT ON COLUMN pgtimewarp.row_changes.xid IS 'The transaction; null for S, and for a D that a repair found.';

COMMENT ON COLUMN pgtimewarp.row_changes.read_lsn IS 'Only for S: a position read after the statement that read the row. When the horizon has passed it, the row is decided; it is void if the key has a change in (valid_from_lsn, read_lsn].';

COMMENT ON COLUMN pgtimewarp.row_changes.relation_id IS 'The table.';

COMMENT ON COLUMN pgtimewarp.row_changes.seq IS 'The place of the change within its transaction.';

COMMENT ON COLUMN pgtimewarp.row_changes.leaf_id IS 'The partition of a partitioned table.';

COMMENT ON COLUMN pgtimewarp.row_changes.op IS 'I, U, D from the log; S: read from the table, by a baseline or a repair.';

COMMENT ON COLUMN pgtimewarp.row_changes.pk IS 'The key: a compact JSON array of canonical texts, ["42"].';

COMMENT ON COLUMN pgtimewarp.row_changes.row_data IS 'The row after the change; null for D.';

COMMENT ON COLUMN pgtimewarp.row_changes.incomplete IS 'Columns whose values are not known.';

COMMENT ON COLUMN pgtimewarp.row_changes.json_nulls IS 'Columns that hold the JSON value null, which has the text of a missing value.';

COMMENT ON COLUMN pgtimewarp.row_changes.nulls_assumed IS 'The row has a null that counts as NULL because the table is declared no_nan.';

CREATE TABLE pgtimewarp.virtual_columns (
    relation_id integer NOT NULL,
    column_name text NOT NULL,
    from_lsn pg_lsn NOT NULL,
    from_ts timestamp with time zone NOT NULL,
    to_lsn pg_lsn,
    to_ts timestamp with time zone
);

COMMENT ON TABLE pgtimewarp.virtual_columns IS 'Virtual generated columns: neither the log nor read rows have their values. The interval ends at runs, so it may be too wide but never too narrow.';

COMMENT ON COLUMN pgtimewarp.virtual_columns.relation_id IS 'The table.';

COMMENT ON COLUMN pgtimewarp.virtual_columns.column_name IS 'The column.';

COMMENT ON COLUMN pgtimewarp.virtual_columns.from_lsn IS 'The column exists after this position, not at it.';

COMMENT ON COLUMN pgtimewarp.virtual_columns.from_ts IS 'The time of from_lsn.';

COMMENT ON COLUMN pgtimewarp.virtual_columns.to_lsn IS 'The column exists up to and including this position; null: it still exists.';

COMMENT ON COLUMN pgtimewarp.virtual_columns.to_ts IS 'The time of to_lsn.';

CREATE VIEW pgtimewarp.row_versions AS
 SELECT v.node_id,
    v.schema_name,
    v.table_name,
    v.pk,
    v.op,
    v.row_data,
    v.xid,
    v.seq,
    v.valid_from_lsn,
    v.valid_to_lsn,
    v.valid_from_ts,
    v.valid_to_ts,
        CASE
            WHEN (v.op <> 'D'::"char") THEN NULLIF((COALESCE(v.incomplete, '{}'::text[]) || ARRAY( SELECT DISTINCT c.column_name
               FROM pgtimewarp.virtual_columns c
              WHERE ((c.relation_id = v.relation_id) AND ((c.column_name = ANY (v.incomplete)) IS NOT TRUE) AND ((v.valid_to_ts IS NULL) OR (c.from_ts < v.valid_to_ts)) AND ((c.to_ts IS NULL) OR (v.valid_from_ts <= c.to_ts)))
              ORDER BY c.column_name)), '{}'::text[])
            ELSE NULL::text[]
        END AS incomplete
   FROM ( SELECT p.relation_id,
            p.node_id,
            p.schema_name,
            p.table_name,
            r.pk,
            r.op,
            r.row_data,
            r.xid,
            r.seq,
            r.incomplete,
            r.valid_from_lsn,
                CASE
                    WHEN ((cut.lsn IS NOT NULL) AND ((nxt.lsn IS NULL) OR (ROW(cut.lsn, cut.seq) < ROW(nxt.lsn, nxt.seq)))) THEN cut.lsn
                    ELSE nxt.lsn
                END AS valid_to_lsn,
            r.valid_from_ts,
                CASE
                    WHEN ((cut.lsn IS NOT NULL) AND ((nxt.lsn IS NULL) OR (ROW(cut.lsn, cut.seq) < ROW(nxt.lsn, nxt.seq)))) THEN cut.ts
                    ELSE nxt.ts
                END AS valid_to_ts
           FROM ((((pgtimewarp.relation_periods p
             JOIN pgtimewarp.wal_checkpoints c ON ((c.node_id = p.node_id)))
             JOIN pgtimewarp.row_changes r ON ((r.relation_id = p.relation_id)))
             LEFT JOIN LATERAL ( SELECT n.valid_from_lsn AS lsn,
                    n.seq,
                    n.valid_from_ts AS ts
                   FROM pgtimewarp.row_changes n
                  WHERE ((n.relation_id = r.relation_id) AND (n.pk = r.pk) AND (ROW(n.valid_from_lsn, n.seq) > ROW(r.valid_from_lsn, r.seq)))
                  ORDER BY n.valid_from_lsn, n.seq
                 LIMIT 1) nxt ON (true))
             LEFT JOIN LATERAL ( SELECT e.lsn,
                    e.seq,
                    e.ts
                   FROM pgtimewarp.truncates_after(r.relation_id, r.valid_from_lsn, r.seq, r.op, r.leaf_id) e(relation_id, lsn, seq, leaf_id, ts, op, xid)
                  WHERE (r.op <> 'D'::"char")
                  ORDER BY e.lsn, e.seq
                 LIMIT 1) cut ON (true))
          WHERE (pgtimewarp.refuse_archived(p.relation_id, p.tracked_from_lsn) AND ((r.op <> 'S'::"char") OR (((nxt.lsn IS NULL) OR (nxt.lsn > r.read_lsn)) AND (r.read_lsn <=
                CASE
                    WHEN ((p.tracked_to_lsn IS NULL) AND (p.lsn_space = c.lsn_space)) THEN c.applied_lsn
                    ELSE p.tracked_to_lsn
                END))))) v;

CREATE TABLE pgtimewarp.schema_functions (
    is_only boolean DEFAULT true NOT NULL,
    digest text NOT NULL,
    definitions text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schema_functions_is_only_check CHECK (is_only)
);

COMMENT ON TABLE pgtimewarp.schema_functions IS 'One row: the version of the functions and views in the store.';

COMMENT ON COLUMN pgtimewarp.schema_functions.is_only IS 'Always true, so that there is one row.';

COMMENT ON COLUMN pgtimewarp.schema_functions.digest IS 'Digest of the files.';

COMMENT ON COLUMN pgtimewarp.schema_functions.definitions IS 'Digest of the definitions in the catalog. It differs if somebody has changed one by hand.';

COMMENT ON COLUMN pgtimewarp.schema_functions.applied_at IS 'When the files were applied.';

CREATE TABLE pgtimewarp.schema_migrations (
    version bigint NOT NULL,
    name text,
    md5 text,
    run_at timestamp with time zone
);

CREATE VIEW pgtimewarp.sql_interface AS
 SELECT 1 AS version;

CREATE TABLE pgtimewarp.transaction_contexts (
    node_id text NOT NULL,
    lsn_space integer DEFAULT 1 NOT NULL,
    seq integer DEFAULT 0 NOT NULL,
    lsn pg_lsn NOT NULL,
    context json NOT NULL,
    relation_ids integer[],
    value_hashes integer[] DEFAULT '{0}'::integer[] NOT NULL
);

COMMENT ON TABLE pgtimewarp.transaction_contexts IS 'The contexts that a transaction sent: pg_logical_emit_message(true, ''pgtimewarp'', ''{…}''). A change carries the last one at or before its place in the transaction (see functions/history/context_at.sql).';

COMMENT ON COLUMN pgtimewarp.transaction_contexts.node_id IS 'The node.';

COMMENT ON COLUMN pgtimewarp.transaction_contexts.lsn_space IS 'The LSN space of lsn.';

COMMENT ON COLUMN pgtimewarp.transaction_contexts.seq IS 'The place in the transaction from which the context is valid; 0 for the first context.';

COMMENT ON COLUMN pgtimewarp.transaction_contexts.lsn IS 'The commit LSN.';

COMMENT ON COLUMN pgtimewarp.transaction_contexts.context IS 'The JSON text of the message.';

COMMENT ON COLUMN pgtimewarp.transaction_contexts.relation_ids IS 'The tables whose changes carry the context. Retention deletes the context when these changes have expired in all of them. null: all tables of the node.';

COMMENT ON COLUMN pgtimewarp.transaction_contexts.value_hashes IS 'Hashes of the values in context, for the index (see functions/history/context_hashes.sql). {0}: not hashed, so a question has to compare the context itself.';

CREATE VIEW pgtimewarp.transactions_answers AS
 SELECT a.question,
    a.place,
    a.frame,
    a.lsn,
    a.ts,
    a.xid,
    a.context,
    a.tables,
    a.rows
   FROM pgtimewarp.answer_transactions() a(question, place, frame, lsn, ts, xid, context, tables, rows);

ALTER TABLE ONLY pgtimewarp.archive_cutoffs
    ADD CONSTRAINT archive_cutoffs_pkey PRIMARY KEY (relation_id);

ALTER TABLE ONLY pgtimewarp.archive_files
    ADD CONSTRAINT archive_files_pkey PRIMARY KEY (path);

ALTER TABLE ONLY pgtimewarp.archive_settings
    ADD CONSTRAINT archive_settings_pkey PRIMARY KEY (node_id, schema_name, table_name);

ALTER TABLE ONLY pgtimewarp.archive_units
    ADD CONSTRAINT archive_units_pkey PRIMARY KEY (relation_id, unit);

ALTER TABLE ONLY pgtimewarp.blocked_changes
    ADD CONSTRAINT blocked_changes_pkey PRIMARY KEY (node_id, lsn_space, lsn, "position");

ALTER TABLE ONLY pgtimewarp.deployment_requests
    ADD CONSTRAINT deployment_requests_key UNIQUE (deployment, request_id);

ALTER TABLE ONLY pgtimewarp.deployment_requests
    ADD CONSTRAINT deployment_requests_pkey PRIMARY KEY (arrival);

ALTER TABLE ONLY pgtimewarp.follow_rules
    ADD CONSTRAINT follow_rules_pkey PRIMARY KEY (node_id, pattern);

ALTER TABLE ONLY pgtimewarp.health_events
    ADD CONSTRAINT health_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY pgtimewarp.history_gaps
    ADD CONSTRAINT history_gaps_pkey PRIMARY KEY (id);

ALTER TABLE ONLY pgtimewarp.lsn_time_map
    ADD CONSTRAINT lsn_time_map_pkey PRIMARY KEY (node_id, lsn_space, lsn);

ALTER TABLE ONLY pgtimewarp.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (node_id);

ALTER TABLE ONLY pgtimewarp.past_relations
    ADD CONSTRAINT past_relations_pkey PRIMARY KEY (relation_id);

ALTER TABLE ONLY pgtimewarp.rebaseline_findings
    ADD CONSTRAINT rebaseline_findings_pkey PRIMARY KEY (relation_id, pk);

ALTER TABLE ONLY pgtimewarp.relation_events
    ADD CONSTRAINT relation_events_pkey PRIMARY KEY (relation_id, lsn, seq);

ALTER TABLE ONLY pgtimewarp.relation_leaves
    ADD CONSTRAINT relation_leaves_by_oid UNIQUE (relation_id, relid);

ALTER TABLE ONLY pgtimewarp.relation_leaves
    ADD CONSTRAINT relation_leaves_pkey PRIMARY KEY (leaf_id);

ALTER TABLE ONLY pgtimewarp.relation_ranges
    ADD CONSTRAINT relation_ranges_pkey PRIMARY KEY (relation_id, table_name);

ALTER TABLE ONLY pgtimewarp.relation_retention
    ADD CONSTRAINT relation_retention_pkey PRIMARY KEY (relation_id);

ALTER TABLE ONLY pgtimewarp.removals
    ADD CONSTRAINT removals_pkey PRIMARY KEY (node_id);

ALTER TABLE ONLY pgtimewarp.row_changes
    ADD CONSTRAINT row_changes_pkey PRIMARY KEY (relation_id, pk, valid_from_lsn, seq);

ALTER TABLE ONLY pgtimewarp.schema_functions
    ADD CONSTRAINT schema_functions_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY pgtimewarp.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY pgtimewarp.tracked_relations
    ADD CONSTRAINT tracked_relations_pkey PRIMARY KEY (node_id, schema_name, table_name);

ALTER TABLE ONLY pgtimewarp.tracked_relations
    ADD CONSTRAINT tracked_relations_relation_id_key UNIQUE (relation_id);

ALTER TABLE ONLY pgtimewarp.transaction_contexts
    ADD CONSTRAINT transaction_contexts_pkey PRIMARY KEY (node_id, lsn_space, lsn, seq);

ALTER TABLE ONLY pgtimewarp.virtual_columns
    ADD CONSTRAINT virtual_columns_pkey PRIMARY KEY (relation_id, column_name, from_lsn);

ALTER TABLE ONLY pgtimewarp.wal_checkpoints
    ADD CONSTRAINT wal_checkpoints_pkey PRIMARY KEY (node_id);

CREATE INDEX archive_files_by_unit ON pgtimewarp.archive_files USING btree (relation_id, unit);

CREATE INDEX health_events_by_node ON pgtimewarp.health_events USING btree (node_id, id DESC);

CREATE INDEX history_gaps_by_node ON pgtimewarp.history_gaps USING btree (node_id, relation_id, from_ts);

CREATE INDEX lsn_time_map_by_time ON pgtimewarp.lsn_time_map USING btree (node_id, ts, lsn_space, lsn);

CREATE INDEX lsn_time_map_by_xid ON pgtimewarp.lsn_time_map USING brin (xid) WITH (pages_per_range='16', autosummarize='on');

CREATE INDEX past_relations_by_name ON pgtimewarp.past_relations USING btree (node_id, schema_name, table_name, tracked_from_ts DESC);

CREATE INDEX row_changes_in_order ON ONLY pgtimewarp.row_changes USING brin (valid_from_lsn) WITH (pages_per_range='64', autosummarize='on');

CREATE INDEX transaction_contexts_by_value ON pgtimewarp.transaction_contexts USING gin (value_hashes) WITH (gin_pending_list_limit='256');

ALTER TABLE ONLY pgtimewarp.archive_files
    ADD CONSTRAINT archive_files_relation_id_unit_fkey FOREIGN KEY (relation_id, unit) REFERENCES pgtimewarp.archive_units(relation_id, unit);

ALTER TABLE ONLY pgtimewarp.archive_settings
    ADD CONSTRAINT archive_settings_node_id_fkey FOREIGN KEY (node_id) REFERENCES pgtimewarp.nodes(node_id);

ALTER TABLE ONLY pgtimewarp.blocked_changes
    ADD CONSTRAINT blocked_changes_node_id_fkey FOREIGN KEY (node_id) REFERENCES pgtimewarp.nodes(node_id);

ALTER TABLE ONLY pgtimewarp.follow_rules
    ADD CONSTRAINT follow_rules_node_id_fkey FOREIGN KEY (node_id) REFERENCES pgtimewarp.nodes(node_id);

ALTER TABLE ONLY pgtimewarp.history_gaps
    ADD CONSTRAINT history_gaps_node_id_fkey FOREIGN KEY (node_id) REFERENCES pgtimewarp.nodes(node_id);

ALTER TABLE ONLY pgtimewarp.past_relations
    ADD CONSTRAINT past_relations_node_id_fkey FOREIGN KEY (node_id) REFERENCES pgtimewarp.nodes(node_id);

ALTER TABLE ONLY pgtimewarp.tracked_relations
    ADD CONSTRAINT tracked_relations_node_id_fkey FOREIGN KEY (node_id) REFERENCES pgtimewarp.nodes(node_id);

ALTER TABLE ONLY pgtimewarp.wal_checkpoints
    ADD CONSTRAINT wal_checkpoints_node_id_fkey FOREIGN KEY (node_id) REFERENCES pgtimewarp.nodes(node_id);

GRANT USAGE ON SCHEMA pgtimewarp TO pgtimewarp_reader;
GRANT USAGE ON SCHEMA pgtimewarp TO pgtimewarp_writer;
GRANT USAGE ON SCHEMA pgtimewarp TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.past_relations TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.past_relations TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.past_relations TO pgtimewarp_admin;

GRANT USAGE ON SEQUENCE pgtimewarp.relation_id_seq TO pgtimewarp_writer;
GRANT USAGE ON SEQUENCE pgtimewarp.relation_id_seq TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.tracked_relations TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.tracked_relations TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.tracked_relations TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.relation_periods TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.relation_periods TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.relation_periods TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.answer_asof() FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.answer_asof() TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.answer_asof() TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.answer_asof() TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.answer_changes() FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.answer_changes() TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.answer_changes() TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.answer_changes() TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.answer_diff() FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.answer_diff() TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.answer_diff() TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.answer_diff() TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.answer_find() FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.answer_find() TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.answer_find() TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.answer_find() TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.answer_past() FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.answer_past() TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.answer_past() TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.answer_past() TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.answer_transactions() FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.answer_transactions() TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.answer_transactions() TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.answer_transactions() TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.archive_advance(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.archive_advance(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.archive_advance(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.archive_verified_to(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.archive_verified_to(p_relation_id integer) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.archive_verified_to(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.archive_verified_to(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.archived_before(p_period pgtimewarp.relation_periods, p_lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.archived_before(p_period pgtimewarp.relation_periods, p_lsn pg_lsn) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.archived_before(p_period pgtimewarp.relation_periods, p_lsn pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.archived_before(p_period pgtimewarp.relation_periods, p_lsn pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.archived_changes(p_relation_id integer, p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.archived_changes(p_relation_id integer, p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.archived_changes(p_relation_id integer, p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.archived_changes(p_relation_id integer, p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.archived_part(p_archived json, p_period pgtimewarp.relation_periods, p_before pg_lsn, p_from pg_lsn, p_to pg_lsn, p_kind text, p_after text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.archived_part(p_archived json, p_period pgtimewarp.relation_periods, p_before pg_lsn, p_from pg_lsn, p_to pg_lsn, p_kind text, p_after text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.archived_part(p_archived json, p_period pgtimewarp.relation_periods, p_before pg_lsn, p_from pg_lsn, p_to pg_lsn, p_kind text, p_after text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.archived_part(p_archived json, p_period pgtimewarp.relation_periods, p_before pg_lsn, p_from pg_lsn, p_to pg_lsn, p_kind text, p_after text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.asof_answer(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.asof_answer(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.asof_answer(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.asof_answer(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.asof_answers(p_node_id text, p_schema text, p_table text, p_pks text[], p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_max_bytes bigint, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.asof_answers(p_node_id text, p_schema text, p_table text, p_pks text[], p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_max_bytes bigint, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.asof_answers(p_node_id text, p_schema text, p_table text, p_pks text[], p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_max_bytes bigint, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.asof_answers(p_node_id text, p_schema text, p_table text, p_pks text[], p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text, p_max_bytes bigint, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.asof_each(p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamp with time zone[], p_at_lsn pg_lsn[], p_requested text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.asof_each(p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamp with time zone[], p_at_lsn pg_lsn[], p_requested text[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.asof_each(p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamp with time zone[], p_at_lsn pg_lsn[], p_requested text[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.asof_each(p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamp with time zone[], p_at_lsn pg_lsn[], p_requested text[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.canonical_key(pk_columns text[], pk_kinds text[], pk jsonb, p_refuses boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.canonical_key(pk_columns text[], pk_kinds text[], pk jsonb, p_refuses boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.canonical_key(pk_columns text[], pk_kinds text[], pk jsonb, p_refuses boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.canonical_key(pk_columns text[], pk_kinds text[], pk jsonb, p_refuses boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.canonical_key_values(p_columns text[], p_kinds text[], p_pk jsonb, p_refuses boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.canonical_key_values(p_columns text[], p_kinds text[], p_pk jsonb, p_refuses boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.canonical_key_values(p_columns text[], p_kinds text[], p_pk jsonb, p_refuses boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.canonical_key_values(p_columns text[], p_kinds text[], p_pk jsonb, p_refuses boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.canonical_value(p_kind text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.canonical_value(p_kind text, p_value text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.canonical_value(p_kind text, p_value text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.canonical_value(p_kind text, p_value text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.canonical_value_fixed(p_kind text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.canonical_value_fixed(p_kind text, p_value text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.canonical_value_fixed(p_kind text, p_value text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.canonical_value_fixed(p_kind text, p_value text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.changed_filter(p_period pgtimewarp.relation_periods, p_columns jsonb, p_is_judge boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.changed_filter(p_period pgtimewarp.relation_periods, p_columns jsonb, p_is_judge boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.changed_filter(p_period pgtimewarp.relation_periods, p_columns jsonb, p_is_judge boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.changed_filter(p_period pgtimewarp.relation_periods, p_columns jsonb, p_is_judge boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.changes_source(p_relation_id integer, p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.changes_source(p_relation_id integer, p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.changes_source(p_relation_id integer, p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.changes_source(p_relation_id integer, p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.commit_at_lsn(p_node_id text, p_space integer, p_lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.commit_at_lsn(p_node_id text, p_space integer, p_lsn pg_lsn) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.commit_at_lsn(p_node_id text, p_space integer, p_lsn pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.commit_at_lsn(p_node_id text, p_space integer, p_lsn pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.commit_at_time(p_node_id text, p_space integer, p_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.commit_at_time(p_node_id text, p_space integer, p_ts timestamp with time zone) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.commit_at_time(p_node_id text, p_space integer, p_ts timestamp with time zone) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.commit_at_time(p_node_id text, p_space integer, p_ts timestamp with time zone) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.commit_tables(p_node_id text, p_spaces integer[], p_lsns pg_lsn[], p_filter jsonb, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.commit_tables(p_node_id text, p_spaces integer[], p_lsns pg_lsn[], p_filter jsonb, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.commit_tables(p_node_id text, p_spaces integer[], p_lsns pg_lsn[], p_filter jsonb, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.commit_tables(p_node_id text, p_spaces integer[], p_lsns pg_lsn[], p_filter jsonb, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.commits_by(p_node_id text, p_by jsonb, p_max integer, OUT spaces integer[], OUT lsns pg_lsn[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.commits_by(p_node_id text, p_by jsonb, p_max integer, OUT spaces integer[], OUT lsns pg_lsn[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.commits_by(p_node_id text, p_by jsonb, p_max integer, OUT spaces integer[], OUT lsns pg_lsn[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.commits_by(p_node_id text, p_by jsonb, p_max integer, OUT spaces integer[], OUT lsns pg_lsn[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.comparable_value(p_kind text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.comparable_value(p_kind text, p_value text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.comparable_value(p_kind text, p_value text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.comparable_value(p_kind text, p_value text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.context_at(p_node_id text, p_space integer, p_lsn pg_lsn, p_seq integer, p_xid bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.context_at(p_node_id text, p_space integer, p_lsn pg_lsn, p_seq integer, p_xid bigint) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.context_at(p_node_id text, p_space integer, p_lsn pg_lsn, p_seq integer, p_xid bigint) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.context_at(p_node_id text, p_space integer, p_lsn pg_lsn, p_seq integer, p_xid bigint) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.context_hashes(p_by jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.context_hashes(p_by jsonb) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.context_hashes(p_by jsonb) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.context_hashes(p_by jsonb) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.context_is_kept(p_node_id text, p_space integer, p_lsn pg_lsn, p_relation_ids integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.context_is_kept(p_node_id text, p_space integer, p_lsn pg_lsn, p_relation_ids integer[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.context_is_kept(p_node_id text, p_space integer, p_lsn pg_lsn, p_relation_ids integer[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.context_matches(p_context json, p_by jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.context_matches(p_context json, p_by jsonb) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.context_matches(p_context json, p_by jsonb) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.context_matches(p_context json, p_by jsonb) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.create_relation_function(p_relation_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgtimewarp.create_relation_partition(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.create_relation_partition(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.create_relation_partition(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.diff_changes(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.diff_changes(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.diff_changes(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.diff_changes(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.diff_frame(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.diff_frame(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.diff_frame(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.diff_frame(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.diff_periods(p_from pgtimewarp.history_position, p_to pgtimewarp.history_position) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.diff_periods(p_from pgtimewarp.history_position, p_to pgtimewarp.history_position) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.diff_periods(p_from pgtimewarp.history_position, p_to pgtimewarp.history_position) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.diff_periods(p_from pgtimewarp.history_position, p_to pgtimewarp.history_position) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.diff_positions(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json, p_kind text, OUT from_at pgtimewarp.history_position, OUT to_at pgtimewarp.history_position) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.diff_positions(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json, p_kind text, OUT from_at pgtimewarp.history_position, OUT to_at pgtimewarp.history_position) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.diff_positions(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json, p_kind text, OUT from_at pgtimewarp.history_position, OUT to_at pgtimewarp.history_position) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.diff_positions(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json, p_kind text, OUT from_at pgtimewarp.history_position, OUT to_at pgtimewarp.history_position) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.drop_relation_partition(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.drop_relation_partition(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.find_in_period(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filters pgtimewarp.row_filter[], p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.find_in_period(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filters pgtimewarp.row_filter[], p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.find_in_period(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filters pgtimewarp.row_filter[], p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.find_in_period(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filters pgtimewarp.row_filter[], p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.find_rows(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_is_instant boolean, p_where jsonb, p_after_relation_id integer, p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.find_rows(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_is_instant boolean, p_where jsonb, p_after_relation_id integer, p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.find_rows(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_is_instant boolean, p_where jsonb, p_after_relation_id integer, p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.find_rows(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_is_instant boolean, p_where jsonb, p_after_relation_id integer, p_after_pk text, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.hot_window(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.hot_window(p_relation_id integer) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.hot_window(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.hot_window(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.incomplete_at(p_relation_id integer, p_incomplete text[], p_lsn pg_lsn, p_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.incomplete_at(p_relation_id integer, p_incomplete text[], p_lsn pg_lsn, p_ts timestamp with time zone) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.incomplete_at(p_relation_id integer, p_incomplete text[], p_lsn pg_lsn, p_ts timestamp with time zone) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.incomplete_at(p_relation_id integer, p_incomplete text[], p_lsn pg_lsn, p_ts timestamp with time zone) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.incomplete_of_change(p_relation_id integer, p_ts timestamp with time zone, p_before text[], p_after text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.incomplete_of_change(p_relation_id integer, p_ts timestamp with time zone, p_before text[], p_after text[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.incomplete_of_change(p_relation_id integer, p_ts timestamp with time zone, p_before text[], p_after text[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.incomplete_of_change(p_relation_id integer, p_ts timestamp with time zone, p_before text[], p_after text[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.is_one_of(p_schema text, p_table text, p_only jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.is_one_of(p_schema text, p_table text, p_only jsonb) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.is_one_of(p_schema text, p_table text, p_only jsonb) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.is_one_of(p_schema text, p_table text, p_only jsonb) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_commit(p_lsn pg_lsn, p_ts timestamp with time zone, p_xid bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_commit(p_lsn pg_lsn, p_ts timestamp with time zone, p_xid bigint) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_commit(p_lsn pg_lsn, p_ts timestamp with time zone, p_xid bigint) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_commit(p_lsn pg_lsn, p_ts timestamp with time zone, p_xid bigint) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_frame(p_unknown json, p_final boolean, p_horizon_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_frame(p_unknown json, p_final boolean, p_horizon_ts timestamp with time zone) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_frame(p_unknown json, p_final boolean, p_horizon_ts timestamp with time zone) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_frame(p_unknown json, p_final boolean, p_horizon_ts timestamp with time zone) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_has(p_json json, p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_has(p_json json, p_name text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_has(p_json json, p_name text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_has(p_json json, p_name text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_instant(p_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_instant(p_ts timestamp with time zone) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_instant(p_ts timestamp with time zone) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_instant(p_ts timestamp with time zone) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_key(p_columns text[], p_pk text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_key(p_columns text[], p_pk text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_key(p_columns text[], p_pk text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_key(p_columns text[], p_pk text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_object_of(p_names text[], p_values text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_object_of(p_names text[], p_values text[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_object_of(p_names text[], p_values text[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_object_of(p_names text[], p_values text[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_stand_in(p_json text, p_back boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_stand_in(p_json text, p_back boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_stand_in(p_json text, p_back boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_stand_in(p_json text, p_back boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_stood_for(p_text text, p_escaped boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_stood_for(p_text text, p_escaped boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_stood_for(p_text text, p_escaped boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_stood_for(p_text text, p_escaped boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_text(p_json json, p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_text(p_json json, p_name text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_text(p_json json, p_name text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_text(p_json json, p_name text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.json_value(p_json json, p_path text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.json_value(p_json json, p_path text[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.json_value(p_json json, p_path text[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.json_value(p_json json, p_path text[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.keys_by_number(p_relation_id integer, p_lsn pg_lsn, p_after text, p_descending boolean, p_limit integer, p_budget integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.keys_by_number(p_relation_id integer, p_lsn pg_lsn, p_after text, p_descending boolean, p_limit integer, p_budget integer) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.keys_by_number(p_relation_id integer, p_lsn pg_lsn, p_after text, p_descending boolean, p_limit integer, p_budget integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.keys_by_number(p_relation_id integer, p_lsn pg_lsn, p_after text, p_descending boolean, p_limit integer, p_budget integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.lineage(p_node_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.lineage(p_node_id text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.lineage(p_node_id text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.lineage(p_node_id text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.lineage_marks(p_node_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.lineage_marks(p_node_id text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.lineage_marks(p_node_id text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.lock_lineage(p_node_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.lock_lineage(p_node_id text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.lock_lineage(p_node_id text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.lower_by_letter(p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.lower_by_letter(p_value text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.lower_by_letter(p_value text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.lower_by_letter(p_value text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.may_have_changed(p_changed json, p_before_columns pgtimewarp.row_filter[], p_before json, p_before_incomplete text[], p_before_lsn pg_lsn, p_columns pgtimewarp.row_filter[], p_row json, p_incomplete text[], p_lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.may_have_changed(p_changed json, p_before_columns pgtimewarp.row_filter[], p_before json, p_before_incomplete text[], p_before_lsn pg_lsn, p_columns pgtimewarp.row_filter[], p_row json, p_incomplete text[], p_lsn pg_lsn) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.may_have_changed(p_changed json, p_before_columns pgtimewarp.row_filter[], p_before json, p_before_incomplete text[], p_before_lsn pg_lsn, p_columns pgtimewarp.row_filter[], p_row json, p_incomplete text[], p_lsn pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.may_have_changed(p_changed json, p_before_columns pgtimewarp.row_filter[], p_before json, p_before_incomplete text[], p_before_lsn pg_lsn, p_columns pgtimewarp.row_filter[], p_row json, p_incomplete text[], p_lsn pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.moment_of(p_node_id text, p_schema text, p_table text, p_space integer, p_lsn pg_lsn, OUT at_ts timestamp with time zone, OUT is_exact boolean, OUT next_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.moment_of(p_node_id text, p_schema text, p_table text, p_space integer, p_lsn pg_lsn, OUT at_ts timestamp with time zone, OUT is_exact boolean, OUT next_ts timestamp with time zone) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.moment_of(p_node_id text, p_schema text, p_table text, p_space integer, p_lsn pg_lsn, OUT at_ts timestamp with time zone, OUT is_exact boolean, OUT next_ts timestamp with time zone) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.moment_of(p_node_id text, p_schema text, p_table text, p_space integer, p_lsn pg_lsn, OUT at_ts timestamp with time zone, OUT is_exact boolean, OUT next_ts timestamp with time zone) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.names_at(p_filter pgtimewarp.row_filter, p_row json, p_incomplete text[], p_lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.names_at(p_filter pgtimewarp.row_filter, p_row json, p_incomplete text[], p_lsn pg_lsn) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.names_at(p_filter pgtimewarp.row_filter, p_row json, p_incomplete text[], p_lsn pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.names_at(p_filter pgtimewarp.row_filter, p_row json, p_incomplete text[], p_lsn pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.net_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.net_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.net_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.net_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.node_activity(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_begin timestamp with time zone, p_end timestamp with time zone, p_buckets integer, p_only jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.node_activity(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_begin timestamp with time zone, p_end timestamp with time zone, p_buckets integer, p_only jsonb) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.node_activity(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_begin timestamp with time zone, p_end timestamp with time zone, p_buckets integer, p_only jsonb) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.node_activity(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_begin timestamp with time zone, p_end timestamp with time zone, p_buckets integer, p_only jsonb) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.node_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_only jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.node_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_only jsonb) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.node_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_only jsonb) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.node_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_only jsonb) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.node_transactions(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_space integer, p_after_ts timestamp with time zone, p_after_lsn pg_lsn, p_limit integer, p_max_bytes bigint, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.node_transactions(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_space integer, p_after_ts timestamp with time zone, p_after_lsn pg_lsn, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.node_transactions(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_space integer, p_after_ts timestamp with time zone, p_after_lsn pg_lsn, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.node_transactions(p_node_id text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_space integer, p_after_ts timestamp with time zone, p_after_lsn pg_lsn, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.past_named(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_row json, p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone, OUT row_data json, OUT incomplete text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.past_named(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_row json, p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone, OUT row_data json, OUT incomplete text[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.past_named(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_row json, p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone, OUT row_data json, OUT incomplete text[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.past_named(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_row json, p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone, OUT row_data json, OUT incomplete text[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.past_names(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, OUT settled_lsn pg_lsn, OUT added text[], OUT added_since pg_lsn[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.past_names(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, OUT settled_lsn pg_lsn, OUT added text[], OUT added_since pg_lsn[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.past_names(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, OUT settled_lsn pg_lsn, OUT added text[], OUT added_since pg_lsn[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.past_names(p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, OUT settled_lsn pg_lsn, OUT added text[], OUT added_since pg_lsn[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.past_not_live(p_at pgtimewarp.history_position, p_question jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.past_not_live(p_at pgtimewarp.history_position, p_question jsonb) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.past_not_live(p_at pgtimewarp.history_position, p_question jsonb) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.past_not_live(p_at pgtimewarp.history_position, p_question jsonb) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.past_rows(p_at pgtimewarp.history_position, p_question jsonb, p_live boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.past_rows(p_at pgtimewarp.history_position, p_question jsonb, p_live boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.past_rows(p_at pgtimewarp.history_position, p_question jsonb, p_live boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.past_rows(p_at pgtimewarp.history_position, p_question jsonb, p_live boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.period_changes(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filter jsonb, p_after pgtimewarp.history_change, p_limit integer, p_max_bytes bigint, p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.period_changes(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filter jsonb, p_after pgtimewarp.history_change, p_limit integer, p_max_bytes bigint, p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.period_changes(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filter jsonb, p_after pgtimewarp.history_change, p_limit integer, p_max_bytes bigint, p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.period_changes(p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filter jsonb, p_after pgtimewarp.history_change, p_limit integer, p_max_bytes bigint, p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.place_of_row(p_row pgtimewarp.row_at, p_pk_columns text[], p_filters pgtimewarp.row_filter[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.place_of_row(p_row pgtimewarp.row_at, p_pk_columns text[], p_filters pgtimewarp.row_filter[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.place_of_row(p_row pgtimewarp.row_at, p_pk_columns text[], p_filters pgtimewarp.row_filter[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.place_of_row(p_row pgtimewarp.row_at, p_pk_columns text[], p_filters pgtimewarp.row_filter[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.position_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.position_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.position_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.position_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.raise_rows_unknown(p_reason text, p_schema text, p_table text, p_what text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.raise_rows_unknown(p_reason text, p_schema text, p_table text, p_what text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.raise_rows_unknown(p_reason text, p_schema text, p_table text, p_what text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.raise_rows_unknown(p_reason text, p_schema text, p_table text, p_what text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_archived(p_relation_id integer, p_from pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.refuse_archived(p_relation_id integer, p_from pg_lsn) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.refuse_archived(p_relation_id integer, p_from pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.refuse_archived(p_relation_id integer, p_from pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_operations(p_filter jsonb, p_kind text, p_known text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.refuse_operations(p_filter jsonb, p_kind text, p_known text[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.refuse_operations(p_filter jsonb, p_kind text, p_known text[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.refuse_operations(p_filter jsonb, p_kind text, p_known text[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_other_cursor(p_node_id text, p_schema text, p_table text, p_after_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.refuse_other_cursor(p_node_id text, p_schema text, p_table text, p_after_relation_id integer) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.refuse_other_cursor(p_node_id text, p_schema text, p_table text, p_after_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.refuse_other_cursor(p_node_id text, p_schema text, p_table text, p_after_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_other_table(p_node_id text, p_schema text, p_table text, p_relid oid) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.refuse_other_table(p_node_id text, p_schema text, p_table text, p_relid oid) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.refuse_other_table(p_node_id text, p_schema text, p_table text, p_relid oid) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.refuse_other_table(p_node_id text, p_schema text, p_table text, p_relid oid) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_advance(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_advance(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_advance(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_attach(p_relation_id integer, p_table text, p_from pg_lsn, p_to pg_lsn) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgtimewarp.retention_begin_base(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_begin_base(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_begin_base(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_build(p_relation_id integer, p_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_build(p_relation_id integer, p_rows integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_build(p_relation_id integer, p_rows integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_check(p_relation_id integer, p_table text, p_to pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_check(p_relation_id integer, p_table text, p_to pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_check(p_relation_id integer, p_table text, p_to pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_convert(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_convert(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_convert(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_cut_contexts(p_node_id text, p_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_cut_contexts(p_node_id text, p_rows integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_cut_contexts(p_node_id text, p_rows integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_cut_map(p_node_id text, p_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_cut_map(p_node_id text, p_rows integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_cut_map(p_node_id text, p_rows integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_drop_period(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_drop_period(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_drop_period(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_exchange(p_relation_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_exchange(p_relation_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_exchange(p_relation_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_is_empty(p_table text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_is_empty(p_table text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_is_empty(p_table text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_new_table(p_relation_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgtimewarp.retention_next(p_relation_id integer, p_upto pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_next(p_relation_id integer, p_upto pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_next(p_relation_id integer, p_upto pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_repair(p_node_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_repair(p_node_id text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_repair(p_node_id text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_seen_by_all(p_xid xid8) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_seen_by_all(p_xid xid8) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_seen_by_all(p_xid xid8) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_split(p_relation_id integer, p_table text, p_at pg_lsn[], p_opened_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_split(p_relation_id integer, p_table text, p_at pg_lsn[], p_opened_ts timestamp with time zone) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_split(p_relation_id integer, p_table text, p_at pg_lsn[], p_opened_ts timestamp with time zone) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.retention_validate(p_relation_id integer, p_table text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.retention_validate(p_relation_id integer, p_table text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.retention_validate(p_relation_id integer, p_table text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.row_filters(p_period pgtimewarp.relation_periods, p_where jsonb, p_is_judge boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.row_filters(p_period pgtimewarp.relation_periods, p_where jsonb, p_is_judge boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.row_filters(p_period pgtimewarp.relation_periods, p_where jsonb, p_is_judge boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.row_filters(p_period pgtimewarp.relation_periods, p_where jsonb, p_is_judge boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.row_matches(p_row json, p_json_nulls text[], p_incomplete text[], p_lsn pg_lsn, p_filters pgtimewarp.row_filter[]) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.row_matches(p_row json, p_json_nulls text[], p_incomplete text[], p_lsn pg_lsn, p_filters pgtimewarp.row_filter[]) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.row_matches(p_row json, p_json_nulls text[], p_incomplete text[], p_lsn pg_lsn, p_filters pgtimewarp.row_filter[]) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.row_matches(p_row json, p_json_nulls text[], p_incomplete text[], p_lsn pg_lsn, p_filters pgtimewarp.row_filter[]) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.row_naming(p_kind text, p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_members text[], p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.row_naming(p_kind text, p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_members text[], p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.row_naming(p_kind text, p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_members text[], p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.row_naming(p_kind text, p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_members text[], p_incomplete text[], p_written_lsn pg_lsn, p_written_ts timestamp with time zone) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.rows_at(p_relation_id integer, p_lsn pg_lsn, p_after text, p_upto text, p_limit integer, p_keys text[], p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.rows_at(p_relation_id integer, p_lsn pg_lsn, p_after text, p_upto text, p_limit integer, p_keys text[], p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.rows_at(p_relation_id integer, p_lsn pg_lsn, p_after text, p_upto text, p_limit integer, p_keys text[], p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.rows_at(p_relation_id integer, p_lsn pg_lsn, p_after text, p_upto text, p_limit integer, p_keys text[], p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.rows_before(p_relation_id integer, p_start pg_lsn, p_through pg_lsn, p_pks text[], p_lsns pg_lsn[], p_seqs integer[], p_unseen_is_absent boolean, p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.rows_before(p_relation_id integer, p_start pg_lsn, p_through pg_lsn, p_pks text[], p_lsns pg_lsn[], p_seqs integer[], p_unseen_is_absent boolean, p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.rows_before(p_relation_id integer, p_start pg_lsn, p_through pg_lsn, p_pks text[], p_lsns pg_lsn[], p_seqs integer[], p_unseen_is_absent boolean, p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.rows_before(p_relation_id integer, p_start pg_lsn, p_through pg_lsn, p_pks text[], p_lsns pg_lsn[], p_seqs integer[], p_unseen_is_absent boolean, p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.same_value(p_type text, p_json text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.same_value(p_type text, p_json text, p_value text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.same_value(p_type text, p_json text, p_value text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.same_value(p_type text, p_json text, p_value text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.sort_place(p_kind text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.sort_place(p_kind text, p_value text) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.sort_place(p_kind text, p_value text) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.sort_place(p_kind text, p_value text) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.table_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.table_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.table_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.table_at(p_node_id text, p_schema text, p_table text, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_may_be_archived boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.table_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.table_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.table_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.table_changes(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_filter jsonb, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.table_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.table_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.table_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.table_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.table_rows(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_after text, p_limit integer, p_max_bytes bigint, p_keys text[], p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.table_rows(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_after text, p_limit integer, p_max_bytes bigint, p_keys text[], p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.table_rows(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_after text, p_limit integer, p_max_bytes bigint, p_keys text[], p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.table_rows(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_after text, p_limit integer, p_max_bytes bigint, p_keys text[], p_archived json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.table_rows_by(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_order text[], p_descending boolean, p_after text, p_limit integer, p_max_bytes bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.table_rows_by(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_order text[], p_descending boolean, p_after text, p_limit integer, p_max_bytes bigint) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.table_rows_by(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_order text[], p_descending boolean, p_after text, p_limit integer, p_max_bytes bigint) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.table_rows_by(p_relation_id integer, p_lsn pg_lsn, p_through pg_lsn, p_where jsonb, p_order text[], p_descending boolean, p_after text, p_limit integer, p_max_bytes bigint) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.time_at(p_node_id text, p_space integer, p_lsn pg_lsn) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.time_at(p_node_id text, p_space integer, p_lsn pg_lsn) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.time_at(p_node_id text, p_space integer, p_lsn pg_lsn) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.time_at(p_node_id text, p_space integer, p_lsn pg_lsn) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.transaction_changes(p_node_id text, p_space integer, p_lsn pg_lsn, p_after_relation_id integer, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_only jsonb, p_options jsonb, p_archived json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.transaction_changes(p_node_id text, p_space integer, p_lsn pg_lsn, p_after_relation_id integer, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_only jsonb, p_options jsonb, p_archived json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.transaction_changes(p_node_id text, p_space integer, p_lsn pg_lsn, p_after_relation_id integer, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_only jsonb, p_options jsonb, p_archived json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.transaction_changes(p_node_id text, p_space integer, p_lsn pg_lsn, p_after_relation_id integer, p_after_seq integer, p_after_pk text, p_limit integer, p_max_bytes bigint, p_only jsonb, p_options jsonb, p_archived json) TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.relation_events TO pgtimewarp_reader;
GRANT SELECT,INSERT ON TABLE pgtimewarp.relation_events TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.relation_events TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.truncated_rows(p_period pgtimewarp.relation_periods, p_event pgtimewarp.relation_events, p_through pg_lsn, p_after text, p_limit integer, p_is_rewritten boolean, p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.truncated_rows(p_period pgtimewarp.relation_periods, p_event pgtimewarp.relation_events, p_through pg_lsn, p_after text, p_limit integer, p_is_rewritten boolean, p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.truncated_rows(p_period pgtimewarp.relation_periods, p_event pgtimewarp.relation_events, p_through pg_lsn, p_after text, p_limit integer, p_is_rewritten boolean, p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.truncated_rows(p_period pgtimewarp.relation_periods, p_event pgtimewarp.relation_events, p_through pg_lsn, p_after text, p_limit integer, p_is_rewritten boolean, p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.truncates_after(p_relation_id integer, p_lsn pg_lsn, p_seq integer, p_op "char", p_leaf_id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.truncates_after(p_relation_id integer, p_lsn pg_lsn, p_seq integer, p_op "char", p_leaf_id integer) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.truncates_after(p_relation_id integer, p_lsn pg_lsn, p_seq integer, p_op "char", p_leaf_id integer) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.truncates_after(p_relation_id integer, p_lsn pg_lsn, p_seq integer, p_op "char", p_leaf_id integer) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.value_matches(p_row json, p_json_nulls text[], p_name text, p_filter pgtimewarp.row_filter) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.value_matches(p_row json, p_json_nulls text[], p_name text, p_filter pgtimewarp.row_filter) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.value_matches(p_row json, p_json_nulls text[], p_name text, p_filter pgtimewarp.row_filter) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.value_matches(p_row json, p_json_nulls text[], p_name text, p_filter pgtimewarp.row_filter) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.version_at(p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq integer, p_through pg_lsn, p_open boolean, p_part json) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.version_at(p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq integer, p_through pg_lsn, p_open boolean, p_part json) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.version_at(p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq integer, p_through pg_lsn, p_open boolean, p_part json) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.version_at(p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq integer, p_through pg_lsn, p_open boolean, p_part json) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.window_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_holes pgtimewarp.hole[], p_settled boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.window_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_holes pgtimewarp.hole[], p_settled boolean) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.window_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_holes pgtimewarp.hole[], p_settled boolean) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.window_frame(p_node_id text, p_schema text, p_table text, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_holes pgtimewarp.hole[], p_settled boolean) TO pgtimewarp_admin;

REVOKE ALL ON FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) TO pgtimewarp_reader;
GRANT ALL ON FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) TO pgtimewarp_writer;
GRANT ALL ON FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.archive_cutoffs TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.archive_cutoffs TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.archive_cutoffs TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.archive_files TO pgtimewarp_reader;
GRANT SELECT,INSERT,DELETE ON TABLE pgtimewarp.archive_files TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.archive_files TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.archive_settings TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.archive_settings TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.archive_settings TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.archive_units TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.archive_units TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.archive_units TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.asof_answers TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.asof_answers TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.asof_answers TO pgtimewarp_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.blocked_changes TO pgtimewarp_admin;
GRANT INSERT ON TABLE pgtimewarp.blocked_changes TO pgtimewarp_writer;

GRANT SELECT(node_id) ON TABLE pgtimewarp.blocked_changes TO pgtimewarp_writer;

GRANT SELECT(lsn_space) ON TABLE pgtimewarp.blocked_changes TO pgtimewarp_writer;

GRANT SELECT(lsn) ON TABLE pgtimewarp.blocked_changes TO pgtimewarp_writer;

GRANT SELECT("position") ON TABLE pgtimewarp.blocked_changes TO pgtimewarp_writer;

GRANT SELECT ON TABLE pgtimewarp.changes_answers TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.changes_answers TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.changes_answers TO pgtimewarp_admin;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.deployment_requests TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.diff_answers TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.diff_answers TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.diff_answers TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.find_answers TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.find_answers TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.find_answers TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.follow_rules TO pgtimewarp_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.follow_rules TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.follow_rules TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.health_events TO pgtimewarp_reader;
GRANT SELECT,INSERT ON TABLE pgtimewarp.health_events TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.health_events TO pgtimewarp_admin;

GRANT USAGE ON SEQUENCE pgtimewarp.health_events_id_seq TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.history_gaps TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.history_gaps TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.history_gaps TO pgtimewarp_admin;

GRANT USAGE ON SEQUENCE pgtimewarp.history_gaps_id_seq TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.history_tables TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.history_tables TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.history_tables TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.lsn_time_map TO pgtimewarp_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.lsn_time_map TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.lsn_time_map TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.nodes TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.nodes TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.nodes TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.wal_checkpoints TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.wal_checkpoints TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.wal_checkpoints TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.node_status TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.node_status TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.node_status TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.past_answers TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.past_answers TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.past_answers TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.rebaseline_findings TO pgtimewarp_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.rebaseline_findings TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.rebaseline_findings TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.relation_leaves TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.relation_leaves TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.relation_leaves TO pgtimewarp_admin;

GRANT USAGE ON SEQUENCE pgtimewarp.relation_leaves_leaf_id_seq TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.relation_ranges TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.relation_ranges TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.relation_ranges TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.relation_retention TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.relation_retention TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.relation_retention TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.removals TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.removals TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.removals TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.row_changes TO pgtimewarp_reader;
GRANT SELECT,INSERT ON TABLE pgtimewarp.row_changes TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.row_changes TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.virtual_columns TO pgtimewarp_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE pgtimewarp.virtual_columns TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.virtual_columns TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.row_versions TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.row_versions TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.row_versions TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.schema_functions TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.schema_functions TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.schema_functions TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.schema_migrations TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.schema_migrations TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.schema_migrations TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.sql_interface TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.sql_interface TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.sql_interface TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.transaction_contexts TO pgtimewarp_reader;
GRANT SELECT,INSERT ON TABLE pgtimewarp.transaction_contexts TO pgtimewarp_writer;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgtimewarp.transaction_contexts TO pgtimewarp_admin;

GRANT SELECT ON TABLE pgtimewarp.transactions_answers TO pgtimewarp_reader;
GRANT SELECT ON TABLE pgtimewarp.transactions_answers TO pgtimewarp_writer;
GRANT SELECT ON TABLE pgtimewarp.transactions_answers TO pgtimewarp_admin;
