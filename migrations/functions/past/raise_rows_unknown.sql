-- Raises the error with the reason why rows of a table are not known at an instant: TW010 to TW013. Returns only if the reason
-- is NULL or 'absent', which is no such reason.
CREATE OR REPLACE FUNCTION pgtimewarp.raise_rows_unknown(p_reason text, p_schema text, p_table text, p_what text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
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

REVOKE ALL ON FUNCTION pgtimewarp.raise_rows_unknown(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.raise_rows_unknown(text, text, text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
