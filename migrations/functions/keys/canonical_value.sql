-- One key value as text, so that two values are the same key exactly when their texts are equal. core/types/key.ts does the same
-- with values from the log. citext on a source with locale C lowers only A to Z: É and é are two keys there. With ICU
-- it lowers whole texts (ΑΣ becomes ας), otherwise letter by letter.
-- Called by functions that have set search_path: a SET clause of its own would cost more than the function itself.
CREATE OR REPLACE FUNCTION pgtimewarp.canonical_value(p_kind text, p_value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT AS $$
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

REVOKE ALL ON FUNCTION pgtimewarp.canonical_value(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.canonical_value(text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
