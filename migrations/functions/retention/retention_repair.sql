-- Removes the constraints of a run that died between retention_check() and retention_split().
CREATE OR REPLACE FUNCTION pgtimewarp.retention_repair(p_node_id text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

REVOKE ALL ON FUNCTION pgtimewarp.retention_repair(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_repair(text)
   TO pgtimewarp_writer, pgtimewarp_admin;
