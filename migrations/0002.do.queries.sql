-- The reading side: every verdict (found, absent, unknown, and why) is made here and nowhere else, so that the command
-- line, HTTP and the SQL functions on the source give the same answer.
--
-- Each question is one statement from outside, so all its reads share one snapshot. Errors have SQLSTATEs of their own:
-- TW001 table not tracked, TW002 key unusable, TW003 node unknown, TW004 interval unusable.

-- The text of a key value whose input or output depends on settings; they are fixed as on the connections to the source.
CREATE FUNCTION pgtimewarp.canonical_value_fixed(p_kind text, p_value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C' AS $$
BEGIN
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

-- Lower case letter by letter, whatever the locale of this database: as lower() of a UTF-8 libc collation does on the
-- source. ICU's own way with a whole text depends on neighbours (final sigma), and makes two letters of U+0130.
CREATE FUNCTION pgtimewarp.lower_by_letter(p_value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF octet_length(p_value) = length(p_value) THEN
    RETURN lower(p_value COLLATE "C");
  END IF;
  RETURN (SELECT string_agg(CASE letter WHEN chr(304) THEN 'i' ELSE lower(letter COLLATE "und-x-icu") END, '' ORDER BY place)
            FROM string_to_table(p_value, NULL) WITH ORDINALITY AS t (letter, place));
END $$;

-- One key value as text, such that two values are the same key exactly when their texts are equal (core/types/key.ts
-- does the same on what the log says).
CREATE FUNCTION pgtimewarp.canonical_value(p_kind text, p_value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
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

-- The canonical values of a key that a person gave: an object naming each key column, or the bare value of a one-column
-- key. A value may be a string, a number (jsonb keeps all digits) or a boolean.
CREATE FUNCTION pgtimewarp.canonical_key_values(p_columns text[], p_kinds text[], p_pk jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
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
      unknown := p_columns[place]; -- for the message, should the cast fail
      result[place] := pgtimewarp.canonical_value(p_kinds[place], item #>> '{}');
    END LOOP;
  EXCEPTION WHEN data_exception THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
    RAISE EXCEPTION 'the key column % cannot have this value: %', unknown, problem USING ERRCODE = 'TW002', HINT = hint;
  END;
  RETURN result;
END $$;

-- The key as the history stores it: a compact JSON array of strings, ["42"] or ["eu","7"].
CREATE FUNCTION pgtimewarp.canonical_key(pk_columns text[], pk_kinds text[], pk jsonb) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT array_to_json(pgtimewarp.canonical_key_values(pk_columns, pk_kinds, pk))::text
$$;

-- RFC 3339 in UTC with six decimals, as a JSON string; infinite instants and NULL give null. (STABLE, as to_char() is,
-- and without settings of its own: otherwise it would not be inlined.)
CREATE FUNCTION pgtimewarp.json_instant(p_ts timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN pg_catalog.isfinite(p_ts)
    THEN pg_catalog.to_char(p_ts AT TIME ZONE 'UTC', '"\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\""') ELSE 'null' END
$$;

-- {"lsn", "ts", "xid"} of a commit, or null.
CREATE FUNCTION pgtimewarp.json_commit(p_lsn pg_lsn, p_ts timestamptz, p_xid bigint) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_lsn IS NULL THEN 'null' ELSE
    '{"lsn":"' || p_lsn || '","ts":' || pgtimewarp.json_instant(p_ts)
    || ',"xid":' || coalesce('"' || p_xid || '"', 'null') || '}' END
$$;

-- A JSON object of strings, members in the order given.
CREATE FUNCTION pgtimewarp.json_object_of(p_names text[], p_values text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  members text := '';
BEGIN
  FOR place IN 1 .. cardinality(p_names) LOOP
    members := members || CASE WHEN place > 1 THEN ',' ELSE '' END
      || to_json(p_names[place]) || ':' || to_json(p_values[place]);
  END LOOP;
  RETURN '{' || members || '}';
END $$;

-- Says why there is no period to look into. Never returns.
CREATE FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id) THEN
    RAISE EXCEPTION 'the store has no node %', coalesce(p_node_id, 'NULL') USING ERRCODE = 'TW003';
  END IF;
  RAISE EXCEPTION 'the table %.% is not tracked under node %', quote_ident(p_schema), quote_ident(p_table), p_node_id
    USING ERRCODE = 'TW001';
END $$;

-- What the history says about a key at one position. from_*: what made the version or the absence; to_*: what ends it,
-- or the ignorance; NULL when nothing has so far. settled: false when later runs may say more.
CREATE TYPE pgtimewarp.key_state AS (
  status text, reason text, settled boolean, op "char", leaf_id int, row_data json, incomplete text[], json_nulls text[],
  from_lsn pg_lsn, from_seq int, from_ts timestamptz, from_xid bigint, to_lsn pg_lsn, to_ts timestamptz, to_xid bigint);

-- The state of a key within one period as of (p_lsn, p_seq), the changes at that very place included. The caller sees
-- to it that the position lies within the period; p_through is the position up to which the period is complete (its
-- end, or the horizon), p_open says whether it may still grow.
CREATE FUNCTION pgtimewarp.version_at(
  p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq int, p_through pg_lsn, p_open boolean)
RETURNS pgtimewarp.key_state
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  s pgtimewarp.key_state;
  relation int := p_period.relation_id;
  start pg_lsn := p_period.tracked_from_lsn;
  is_pending boolean := p_period.baseline_state = 'pending' AND p_open;
  ver record;  -- the last change at or before the position
  nxt record;  -- the first one after it
  cut record;  -- the first TRUNCATE after ver (or after the start of tracking)
  seen boolean;
  truncated boolean;
  cut_first boolean; -- the next thing that happens to the key is the TRUNCATE
BEGIN
  SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id, r.read_lsn, r.row_data,
         r.incomplete, r.json_nulls
    INTO ver FROM pgtimewarp.row_changes r
   WHERE r.relation_id = relation AND r.pk = p_pk AND (r.valid_from_lsn, r.seq) <= (p_lsn, p_seq)
   ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1;
  SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id
    INTO nxt FROM pgtimewarp.row_changes r
   WHERE r.relation_id = relation AND r.pk = p_pk AND (r.valid_from_lsn, r.seq) > (p_lsn, p_seq)
   ORDER BY r.valid_from_lsn, r.seq LIMIT 1;
  -- A baseline row stands at the start of tracking, before everything that happened after it.
  SELECT e.lsn, e.seq, e.ts, e.xid INTO cut FROM pgtimewarp.relation_events e
   WHERE e.relation_id = relation AND e.op = 'T'
     AND (e.lsn, e.seq) > (coalesce(ver.lsn, start), CASE WHEN ver.op <> 'S' THEN ver.seq ELSE 2147483647 END)
     AND (e.leaf_id IS NULL OR e.leaf_id = coalesce(ver.leaf_id, nxt.leaf_id))
   ORDER BY e.lsn, e.seq LIMIT 1;
  truncated := cut.lsn IS NOT NULL AND (cut.lsn, cut.seq) <= (p_lsn, p_seq);
  cut_first := NOT truncated AND cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq));
  s.settled := true;
  IF cut_first THEN
    s.to_lsn := cut.lsn; s.to_ts := cut.ts; s.to_xid := cut.xid;
  ELSE
    s.to_lsn := nxt.lsn; s.to_ts := nxt.ts; s.to_xid := nxt.xid;
  END IF;

  -- A baseline row is what the key held at the start only when no change came between the start and its reading. (A
  -- TRUNCATE there does not void it: had the row been read after the TRUNCATE, there would be an insert after it.)
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
    END IF;
  ELSIF truncated THEN
    -- Whatever was there at the start is gone. While the baseline is read, a row of before the TRUNCATE may turn up.
    s.status := 'absent'; s.reason := 'not_yet_inserted'; s.settled := NOT is_pending;
  ELSIF nxt.lsn IS NOT NULL AND nxt.op = 'I' AND NOT cut_first THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted'; -- nothing between the start and an insert: it was not there
  ELSIF nxt.lsn IS NOT NULL AND nxt.op <> 'I' OR ver.lsn IS NOT NULL THEN
    s.status := 'unknown'; s.reason := 'before_tracking'; -- it was there, as what nobody read in time
  ELSIF is_pending THEN
    s.status := 'unknown'; s.reason := 'baseline_pending'; s.settled := false;
  ELSIF p_period.baseline_state = 'done' AND p_lsn >= coalesce(p_period.unseen_unknown_before_lsn, start) THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted';
  ELSE
    -- As long as the key has no change, one may still come that decides it (an insert).
    s.status := 'unknown'; s.reason := 'before_tracking'; s.settled := nxt.lsn IS NOT NULL OR NOT p_open;
  END IF;
  RETURN s;
END $$;

-- The answer for one key as of an instant: a time, an LSN (of the node's present LSN space), or neither: now.
CREATE FUNCTION pgtimewarp.asof_answer(
  p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamptz, p_at_lsn pg_lsn, p_requested text)
RETURNS TABLE (status text, reason text, final boolean, answer json)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  by_lsn boolean := p_at_lsn IS NOT NULL;
  -- "now" is whatever is known last; it is never final, however the clocks of the servers differ
  at_ts timestamptz := CASE WHEN by_lsn THEN NULL ELSE coalesce(p_at_ts, 'infinity') END;
  period pgtimewarp.relation_periods;
  horizon record;    -- of the node, and the period
  at_space int;      -- where the instant lies
  at_lsn pg_lsn;
  started boolean;
  is_open boolean;   -- the period may still grow
  through pg_lsn;
  key_values text[];
  v pgtimewarp.key_state; -- stays NULL in all members while nothing is known
  context json;
BEGIN
  -- The period that had begun last at the instant; without one, the first that has begun at all.
  SELECT p AS period, c.lsn_space, c.applied_lsn, c.applied_ts INTO horizon
    FROM pgtimewarp.relation_periods p LEFT JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
   ORDER BY coalesce(CASE WHEN by_lsn THEN (p.lsn_space, p.tracked_from_lsn) <= (c.lsn_space, p_at_lsn)
                          ELSE p.tracked_from_ts <= at_ts END, false) DESC,
            p.tracked_from_ts DESC NULLS LAST
   LIMIT 1;
  period := horizon.period;
  IF period.relation_id IS NULL THEN
    PERFORM pgtimewarp.raise_not_tracked(p_node_id, p_schema, p_table);
  END IF;
  key_values := pgtimewarp.canonical_key_values(period.pk_columns, period.pk_kinds, p_pk);

  IF by_lsn THEN
    final := p_at_lsn <= horizon.applied_lsn;
    started := (period.lsn_space, period.tracked_from_lsn) <= (horizon.lsn_space, p_at_lsn);
    at_space := horizon.lsn_space;
    SELECT m.lsn INTO at_lsn FROM pgtimewarp.lsn_time_map m
     WHERE m.node_id = p_node_id AND m.lsn_space = horizon.lsn_space AND m.lsn <= p_at_lsn ORDER BY m.lsn DESC LIMIT 1;
  ELSE
    final := at_ts <= horizon.applied_ts;
    started := period.tracked_from_ts <= at_ts;
    IF at_ts >= horizon.applied_ts THEN
      at_space := horizon.lsn_space; at_lsn := horizon.applied_lsn;
    ELSE
      SELECT m.lsn_space, m.lsn INTO at_space, at_lsn FROM pgtimewarp.lsn_time_map m
       WHERE m.node_id = p_node_id AND m.ts <= at_ts ORDER BY m.ts DESC LIMIT 1;
    END IF;
  END IF;
  final := coalesce(final, false);
  started := coalesce(started, false);
  is_open := period.tracked_to_lsn IS NULL AND period.lsn_space = horizon.lsn_space;
  through := CASE WHEN is_open THEN horizon.applied_lsn ELSE period.tracked_to_lsn END;

  IF NOT started THEN
    status := 'unknown';
    IF period.tracked_from_lsn IS NULL THEN
      reason := 'baseline_pending'; final := false;
    ELSE
      reason := 'before_tracking';
    END IF;
  ELSIF (by_lsn AND (period.lsn_space < horizon.lsn_space OR p_at_lsn > period.tracked_to_lsn))
     OR at_ts > period.tracked_to_ts
     OR EXISTS (SELECT FROM pgtimewarp.history_gaps g
                 WHERE g.node_id = p_node_id AND (g.relation_id IS NULL OR g.relation_id = period.relation_id)
                   AND CASE WHEN by_lsn THEN g.lsn_space = horizon.lsn_space AND g.from_lsn < p_at_lsn
                                             AND (g.to_lsn IS NULL OR p_at_lsn < g.to_lsn)
                            ELSE g.from_ts < at_ts AND (g.to_ts IS NULL OR at_ts < g.to_ts) END) THEN
    status := 'unknown'; reason := 'in_gap';
  -- Retention: what has left the window of the relation is answered here with `expired`, before any version is read.
  ELSE
    -- The map forgets horizons of earlier runs, so that its last entry may precede the start of tracking.
    IF at_space IS DISTINCT FROM period.lsn_space OR at_lsn IS NULL OR at_lsn < period.tracked_from_lsn THEN
      at_lsn := period.tracked_from_lsn;
    END IF;
    v := pgtimewarp.version_at(period, array_to_json(key_values)::text, at_lsn, 2147483647, through, is_open);
    status := v.status; reason := v.reason; final := final AND v.settled;
    IF v.from_xid IS NOT NULL THEN
      SELECT t.context INTO context FROM pgtimewarp.transaction_contexts t
       WHERE t.node_id = p_node_id AND t.lsn_space = period.lsn_space AND t.lsn = v.from_lsn;
    END IF;
  END IF;

  IF status = 'unknown' THEN
    v := NULL; -- the answer says nothing about when ignorance began or ends
  END IF;
  answer := format(
    '{"status":"%s","reason":%s,"schema":%s,"table":%s,"pk":%s,"row":%s,"op":%s,"incomplete":%s,"context":%s,'
    '"valid_from":%s,"valid_to":%s,"as_of":{"requested":%s,"lsn":%s},"horizon":{"lsn":%s,"ts":%s},"final":%s}',
    status, coalesce('"' || reason || '"', 'null'), to_json(p_schema), to_json(p_table),
    pgtimewarp.json_object_of(period.pk_columns, key_values),
    coalesce(v.row_data::text, 'null'), coalesce('"' || v.op::text || '"', 'null'),
    coalesce(array_to_json(v.incomplete)::text, '[]'), coalesce(context::text, 'null'),
    pgtimewarp.json_commit(v.from_lsn, v.from_ts, v.from_xid), pgtimewarp.json_commit(v.to_lsn, v.to_ts, v.to_xid),
    coalesce(to_json(p_requested)::text, pgtimewarp.json_instant(coalesce(p_at_ts, statement_timestamp()))),
    coalesce('"' || at_lsn || '"', 'null'), coalesce('"' || horizon.applied_lsn || '"', 'null'),
    pgtimewarp.json_instant(horizon.applied_ts), final::text);
  RETURN NEXT;
END $$;

DO $$
DECLARE
  signature regprocedure;
BEGIN
  FOR signature IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp'::regnamespace
       AND p.proname IN ('canonical_value_fixed', 'lower_by_letter', 'canonical_value', 'canonical_key_values',
                         'canonical_key', 'json_instant', 'json_commit', 'json_object_of', 'raise_not_tracked',
                         'version_at', 'asof_answer')
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin', signature);
  END LOOP;
END $$;
