-- Context of transactions; horizon and status of the store.
\echo Use "ALTER EXTENSION pgtimewarp UPDATE" to load this file. \quit

CREATE OR REPLACE FUNCTION pgtimewarp_internal.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '0.2'::text $$;

-- Sends the context of the present transaction (who, why, for which request); history shows it with every change.
CREATE FUNCTION @extschema@.pgtimewarp_set_context(context jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF jsonb_typeof(context) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION 'the context is a JSON object' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_logical_emit_message(true, 'pgtimewarp', context::text);
END $$;

-- The state of a node; without a name, the node given to pgtimewarp_connect().
CREATE FUNCTION @extschema@.pgtimewarp_status(node_id text DEFAULT NULL)
RETURNS TABLE (node text, status text, status_reason text, horizon_lsn pg_lsn, horizon_ts timestamptz, caught_up boolean,
               last_run_at timestamptz, tables bigint, open_gaps bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  asked text := pgtimewarp_internal.node(node_id);
BEGIN
  RETURN QUERY
    SELECT s.node_id, s.status, s.status_reason, s.horizon_lsn, s.horizon_ts, s.caught_up, s.last_run_at, s.tables, s.open_gaps
      FROM pgtimewarp_internal.node_status s WHERE s.node_id = asked;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the store has no node %', asked
      USING ERRCODE = 'TW003', HINT = 'See the names with `pgtimewarp status`.';
  END IF;
END $$;

-- The horizon: answers about instants up to here are final.
CREATE FUNCTION @extschema@.pgtimewarp_horizon(node_id text DEFAULT NULL, OUT lsn pg_lsn, OUT ts timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT s.horizon_lsn, s.horizon_ts INTO lsn, ts FROM @extschema@.pgtimewarp_status(node_id) s;
END $$;

REVOKE ALL ON FUNCTION @extschema@.pgtimewarp_set_context(jsonb), @extschema@.pgtimewarp_status(text),
                       @extschema@.pgtimewarp_horizon(text) FROM PUBLIC;
