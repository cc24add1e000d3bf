-- Refuses an operation in `op` of a filter (TW006) that no answer of this kind has: the answer would be empty without a reason.
CREATE OR REPLACE FUNCTION pgtimewarp.refuse_operations(p_filter jsonb, p_kind text, p_known text[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  other text := (SELECT min(o.name) FROM jsonb_array_elements_text(p_filter -> 'op') AS o (name) WHERE NOT o.name = ANY (p_known));
BEGIN
  IF other IS NOT NULL THEN
    RAISE EXCEPTION '% have no operation %', p_kind, left(other, 20)
      USING ERRCODE = 'TW006', HINT = 'Ask for some of ' || array_to_string(p_known, ', ') || '.';
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.refuse_operations(jsonb, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.refuse_operations(jsonb, text, text[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
