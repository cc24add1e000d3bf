/** The usual ways to keep the history of TPC-B in the database itself, for comparison. */

export const TPCB_TABLES = ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches'] as const;

const KEYS: Readonly<Record<(typeof TPCB_TABLES)[number], string>> = {
  pgbench_accounts: 'aid',
  pgbench_tellers: 'tid',
  pgbench_branches: 'bid',
};

/** A table of versions beside each table; the last version of a key has no end. */
export const VERSIONING_TRIGGERS = `
  CREATE FUNCTION keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    EXECUTE format('UPDATE %I SET valid_to = clock_timestamp() WHERE valid_to IS NULL AND id = $1', TG_TABLE_NAME || '_versions')
      USING (to_jsonb(OLD) ->> TG_ARGV[0])::int;
    EXECUTE format('INSERT INTO %I (id, valid_from, row_now) VALUES ($1, clock_timestamp(), $2)', TG_TABLE_NAME || '_versions')
      USING (to_jsonb(NEW) ->> TG_ARGV[0])::int, to_jsonb(NEW);
    RETURN NULL;
  END $$;
${TPCB_TABLES.map(
  (table) => `
  CREATE TABLE ${table}_versions (id int, valid_from timestamptz, valid_to timestamptz, row_now jsonb);
  CREATE INDEX ON ${table}_versions (id) WHERE valid_to IS NULL;
  CREATE TRIGGER keep AFTER UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION keep_version('${KEYS[table]}');`,
).join('')}`;

/** One table for all changes, with the row before and after as JSON. */
export const AUDIT_TRIGGERS = `
  CREATE TABLE audit_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_name text, operation text,
                          changed_at timestamptz DEFAULT clock_timestamp(), who text DEFAULT current_user,
                          row_before jsonb, row_after jsonb);
  CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO audit_log (table_name, operation, row_before, row_after)
    VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
  END $$;
${TPCB_TABLES.map(
  (table) =>
    `CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION write_audit();`,
).join(' ')}`;
