-- The hashes of the values in a question about contexts (p_by is {"key": "value"}), equal to those that
-- core/store/history/context-hashes.ts makes of contexts: FNV-1a of the UTF-8 text, as a signed 32-bit number. Objects and
-- arrays are not hashed.
CREATE OR REPLACE FUNCTION pgtimewarp.context_hashes(p_by jsonb) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
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

REVOKE ALL ON FUNCTION pgtimewarp.context_hashes(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.context_hashes(jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
