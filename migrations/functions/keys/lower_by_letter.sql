-- Lower case letter by letter, whatever the locale of this database, like lower() of a UTF-8 libc collation on the source. ICU
-- lowers a whole text in another way: it depends on neighbours (final sigma) and makes two letters of U+0130.
CREATE OR REPLACE FUNCTION pgtimewarp.lower_by_letter(p_value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF octet_length(p_value) = length(p_value) THEN
    RETURN lower(p_value COLLATE "C");
  END IF;
  RETURN (SELECT string_agg(CASE letter WHEN chr(304) THEN 'i' ELSE lower(letter COLLATE "und-x-icu") END, '' ORDER BY place)
            FROM string_to_table(p_value, NULL) WITH ORDINALITY AS t (letter, place));
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.lower_by_letter(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.lower_by_letter(text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
