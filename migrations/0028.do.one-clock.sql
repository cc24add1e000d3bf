-- One clock for all nodes that follow one history (docs/decisions/0023-one-clock.md). Commits of a node may share a time where
-- commits of another leave no microsecond between them: as of that time all of them count, so the last one is looked up.
-- And the time of the horizon may be earlier than that of the last commits that are stored; they are no part of it then.

DROP INDEX pgtimewarp.lsn_time_map_by_time;
CREATE INDEX lsn_time_map_by_time ON pgtimewarp.lsn_time_map (node_id, ts, lsn_space, lsn);

-- Every look-up by time, in the functions as they are; that of asof_each_r<id>() looks so already (migration 0027).
DO $do$
DECLARE
  change record;
  definition text;
BEGIN
  FOR change IN
    SELECT * FROM (VALUES
      ('asof_answer', 'ORDER BY m.ts DESC LIMIT 1', 'ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT 1'),
      ('asof_answer', 'IF at_ts >= horizon.applied_ts THEN', 'IF at_ts > horizon.applied_ts THEN'),
      ('diff_periods', 'ORDER BY m.ts DESC LIMIT 1', 'ORDER BY m.ts DESC, m.lsn DESC LIMIT 1'),
      ('diff_periods', 'WHEN p_to_ts < coalesce(p.tracked_to_ts, c.applied_ts) THEN',
                       'WHEN p_to_ts <= coalesce(p.tracked_to_ts, c.applied_ts) THEN'),
      ('diff_periods', $$ELSE 'FFFFFFFF/FFFFFFFF' END AS to_lsn)$$, $$WHEN p_to_ts IS NULL THEN -- up to the horizon
                       (SELECT min(m.lsn) - 1 FROM pgtimewarp.lsn_time_map m
                         WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.ts > c.applied_ts)
                     ELSE 'FFFFFFFF/FFFFFFFF' END AS to_lsn)$$),
      ('retention_advance', 'ORDER BY m.ts DESC LIMIT 1', 'ORDER BY m.ts DESC, m.lsn DESC LIMIT 1'))
      AS c (name, old, new)
  LOOP
    SELECT pg_get_functiondef(p.oid) INTO STRICT definition
      FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp'::regnamespace AND p.proname = change.name;
    IF position(change.old IN definition) = 0 THEN
      RAISE EXCEPTION '% does not look up by time as expected', change.name;
    END IF;
    EXECUTE replace(definition, change.old, change.new);
  END LOOP;
END $do$;

-- The nodes that follow the history of this one, itself among them: the same server, on the same timeline.
CREATE FUNCTION pgtimewarp.lineage(p_node_id text)
RETURNS TABLE (node_id text, lsn_space int, applied_lsn pg_lsn, applied_ts timestamptz)
LANGUAGE sql STABLE ROWS 2 AS $$
  SELECT c.node_id, c.lsn_space, c.applied_lsn, c.applied_ts
    FROM pgtimewarp.nodes own
    JOIN pgtimewarp.nodes n ON n.system_identifier = own.system_identifier AND n.timeline = own.timeline
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = n.node_id
   WHERE own.node_id = p_node_id
     -- a node that a wrong clock has put into the future says nothing: a new one begins beside it (see trusted-clock.ts)
     AND (c.node_id = p_node_id OR c.applied_ts <= clock_timestamp() + interval '60 seconds')
$$;

-- What changes whenever another node of the lineage defines times; NULL while there is none.
CREATE FUNCTION pgtimewarp.lineage_marks(p_node_id text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT string_agg(concat_ws(' ', l.node_id, l.lsn_space, l.applied_lsn, l.applied_ts), ',' ORDER BY l.node_id)
    FROM pgtimewarp.lineage(p_node_id) l WHERE l.node_id <> p_node_id
$$;

-- Until the end of the transaction no other node of the lineage defines times. Returns the marks as they are then.
CREATE FUNCTION pgtimewarp.lock_lineage(p_node_id text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1885828204, hashtext(concat(n.system_identifier, ' ', n.timeline)))
     FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id;
  RETURN pgtimewarp.lineage_marks(p_node_id); -- sees what others have committed while this one waited
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.lineage(text), pgtimewarp.lineage_marks(text), pgtimewarp.lock_lineage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.lineage(text), pgtimewarp.lineage_marks(text), pgtimewarp.lock_lineage(text)
   TO pgtimewarp_writer, pgtimewarp_admin;
GRANT EXECUTE ON FUNCTION pgtimewarp.lineage(text) TO pgtimewarp_reader; -- for doctor, which may have no more
