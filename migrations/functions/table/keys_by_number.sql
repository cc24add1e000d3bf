-- The keys after p_after of a table whose key is one whole number, in the order of numbers: the first p_limit that have a version up
-- to p_lsn; fewer: there are no others. NULL: that takes more than p_budget look-ups.
--
-- The index has keys by their text, in which 10 comes before 9. But numbers of one sign and one count of digits have the order of
-- their texts. So this takes one count of digits after the other, and in it goes from number to number by look-ups in the index:
-- each begins where the next number of this length may be, so it jumps over all longer ones that begin with the same digits.
CREATE OR REPLACE FUNCTION pgtimewarp.keys_by_number(
  p_relation_id int, p_lsn pg_lsn, p_after text, p_descending boolean, p_limit int, p_budget int)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off AS $$
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
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.keys_by_number(int, pg_lsn, text, boolean, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.keys_by_number(int, pg_lsn, text, boolean, int, int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
