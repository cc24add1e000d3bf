/** ALTER TABLE of a whole table, its constraints, triggers, rules and rights; and maintenance. */
import type { Moment } from './place.ts';
import type { Steps } from './steps.ts';

export function tableSteps(moment: Moment): Steps {
  return [
    ...constraintSteps(moment),
    ...identitySteps(moment),
    ...wholeSteps(moment),
    ...rightSteps(moment),
    ...maintenanceSteps(moment),
  ];
}

function constraintSteps({ own, schema: s, table: t, key, column, outOf, pick, write }: Moment): Steps {
  const alter = `ALTER TABLE ${own}`;
  const dropKey = `${alter} DROP CONSTRAINT IF EXISTS ${t}_pkey`;
  const addKey = `${alter} ADD CONSTRAINT ${t}_pkey PRIMARY KEY (${key})`;
  return [
    ['ADD table_constraint', () => `${alter} ADD CHECK (${column} IS NOT NULL) NOT VALID`],
    ['ADD table_constraint', () => `${alter} ADD CONSTRAINT sure CHECK (${key} IS NOT NULL)`],
    [
      'ADD table_constraint',
      () => `${alter} ADD CONSTRAINT once UNIQUE (${key}, ${column}) ${pick(['', 'DEFERRABLE'])}`,
    ],
    ['ADD table_constraint', () => `${alter} ADD CONSTRAINT n18 NOT NULL ${column} NOT VALID`],
    ['ADD table_constraint', () => `${alter} ADD CONSTRAINT unenforced CHECK (false) NOT ENFORCED`],
    [
      'ADD table_constraint',
      () =>
        `CREATE TABLE ${s}.child (id int REFERENCES ${own} ON DELETE CASCADE ON UPDATE CASCADE); INSERT INTO ${s}.child SELECT ${key} FROM ${own}`,
    ],
    [
      'ADD table_constraint',
      () =>
        `INSERT INTO ${s}.named SELECT generate_series(0, 20); ALTER TABLE ${s}.named ADD PRIMARY KEY (id); ${alter} ADD CONSTRAINT far FOREIGN KEY (n) REFERENCES ${s}.named ON DELETE SET NULL NOT VALID; DELETE FROM ${s}.named WHERE id < ${outOf(19)}`,
    ],
    ['ADD table_constraint', () => `${dropKey}; ${write()}; ${addKey}`],
    [
      'ADD table_constraint',
      () => `${alter} DROP CONSTRAINT ${t}_pkey, ADD CONSTRAINT ${t}_pkey PRIMARY KEY (${key})`,
    ],
    [
      'ADD table_constraint',
      () => `${dropKey}; ${addKey} DEFERRABLE INITIALLY ${pick(['DEFERRED', 'IMMEDIATE'])}; ${write()}`,
    ],
    ['ADD table_constraint', () => `${dropKey}; ${addKey}`],
    ['ADD table_constraint', () => addKey],
    [
      'ADD table_constraint',
      () => `${dropKey}; ${alter} ADD CONSTRAINT ${t}_pkey PRIMARY KEY (${key}, ${column})`,
    ],
    [
      'ADD table_constraint_using_index',
      () =>
        `CREATE UNIQUE INDEX CONCURRENTLY ${t}_new ON ${own} (${key}); ${alter} DROP CONSTRAINT ${t}_pkey, ADD CONSTRAINT ${t}_pkey PRIMARY KEY USING INDEX ${t}_new; ${write()}`,
    ],
    [
      'ALTER CONSTRAINT',
      () =>
        `${alter} ALTER CONSTRAINT far ${pick(['DEFERRABLE INITIALLY DEFERRED', 'NOT DEFERRABLE', 'NOT ENFORCED', 'ENFORCED'])}; ${write()}`,
    ],
    ['ALTER CONSTRAINT', () => `${alter} ALTER CONSTRAINT n18 NO INHERIT`],
    [
      'VALIDATE CONSTRAINT',
      () =>
        `${alter} ADD CONSTRAINT sound CHECK (${key} IS NOT NULL) NOT VALID; ${write()}; ${alter} VALIDATE CONSTRAINT sound`,
    ],
    ['VALIDATE CONSTRAINT', () => `${alter} VALIDATE CONSTRAINT ${pick(['far', 'n18', 'sure'])}`],
    [
      'DROP CONSTRAINT',
      () => `${alter} DROP CONSTRAINT IF EXISTS ${pick(['far', 'n18', 'sure', 'once'])} CASCADE`,
    ],
    ['DROP CONSTRAINT', () => `${dropKey} CASCADE; ${write()}`],
  ];
}

function identitySteps({ own, table: t, key, column, pick, write }: Moment): Steps {
  const alter = `ALTER TABLE ${own}`;
  const back = `${alter} REPLICA IDENTITY DEFAULT`;
  return [
    ['REPLICA IDENTITY FULL', () => `${alter} REPLICA IDENTITY FULL; ${write()}`],
    ['REPLICA IDENTITY FULL', () => `${alter} REPLICA IDENTITY FULL; ${write()}; ${back}; ${write()}`],
    ['REPLICA IDENTITY DEFAULT', () => back],
    ['REPLICA IDENTITY NOTHING', () => `${alter} REPLICA IDENTITY NOTHING; ${write()}; ${back}`],
    ['REPLICA IDENTITY NOTHING', () => `${alter} REPLICA IDENTITY NOTHING`],
    ['REPLICA IDENTITY USING INDEX', () => `${alter} REPLICA IDENTITY USING INDEX ${t}_pkey; ${write()}`],
    [
      'REPLICA IDENTITY USING INDEX',
      () =>
        `${alter} ALTER ${column} SET NOT NULL; CREATE UNIQUE INDEX ${t}_by ON ${own} (${column}); ${alter} REPLICA IDENTITY USING INDEX ${t}_by; ${write()}; ${pick([back, `DROP INDEX ${own}_by`, write()])}`,
    ],
    [
      'REPLICA IDENTITY USING INDEX',
      () =>
        `CREATE UNIQUE INDEX ${t}_too ON ${own} (${key}); ${alter} REPLICA IDENTITY USING INDEX ${t}_too; ${write()}; DROP INDEX ${own}_too; ${write()}; ${back}`,
    ],
  ];
}

function wholeSteps(moment: Moment): Steps {
  const { own, schema: s, table: t, column, key, outOf, pick, write, ground } = moment;
  const alter = `ALTER TABLE ${own}`;
  const plain = moment.columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  return [
    ['SET UNLOGGED', () => `${alter} SET UNLOGGED; ${write()}; ${alter} SET LOGGED`],
    ['SET UNLOGGED', () => `${alter} SET UNLOGGED; ${write()}`],
    ['SET LOGGED', () => `${alter} SET LOGGED; ${write()}`],
    [
      'SET ACCESS METHOD',
      () => `${alter} SET ACCESS METHOD ${pick([ground.accessMethod, 'heap', 'DEFAULT'])}; ${write()}`,
    ],
    [
      'SET TABLESPACE',
      () => `${alter} SET TABLESPACE ${pick([ground.tablespace, 'pg_default'])}; ${write()}`,
    ],
    [
      'SET (storage_parameter)',
      () => `${alter} SET (fillfactor = ${50 + outOf(50)}, autovacuum_enabled = ${pick(['on', 'off'])})`,
    ],
    [
      'SET (storage_parameter)',
      () =>
        `${alter} SET (toast_tuple_target = ${128 + outOf(1000)}, user_catalog_table = ${pick(['on', 'off'])}); ${write()}`,
    ],
    [
      'RESET (storage_parameter)',
      () => `${alter} RESET (fillfactor, toast_tuple_target, user_catalog_table)`,
    ],
    ['CLUSTER ON', () => `${alter} CLUSTER ON ${t}_pkey; CLUSTER ${own}`],
    ['SET WITHOUT CLUSTER', () => `${alter} SET WITHOUT CLUSTER`],
    ['SET WITHOUT OIDS', () => `${alter} SET WITHOUT OIDS`],
    [
      'INHERIT',
      () =>
        `${alter} INHERIT ${s}.parent; ${write()}; INSERT INTO ${s}.parent VALUES (5); UPDATE ${s}.parent SET n = ${outOf(9)}`,
    ],
    ['NO INHERIT', () => `${alter} NO INHERIT ${s}.parent; ${write()}`],
    ['NO INHERIT', () => `${alter} INHERIT ${s}.parent; ${write()}; ${alter} NO INHERIT ${s}.parent`],
    [
      'INHERIT',
      () =>
        `CREATE TABLE ${s}.heir () INHERITS (${own}); INSERT INTO ${s}.heir (${key}) VALUES ('${outOf(15)}'); UPDATE ${own} SET ${column} = NULL`,
    ],
    ['OF', () => `CREATE TYPE ${s}.kind AS (${plain}); ${alter} OF ${s}.kind; ${write()}`],
    [
      'OF',
      () =>
        `ALTER TYPE ${s}.kind ADD ATTRIBUTE of${outOf(3)} int CASCADE; ALTER TYPE ${s}.kind RENAME ATTRIBUTE ${column} TO kindly CASCADE; ${write()}`,
    ],
    ['NOT OF', () => `${alter} NOT OF; DROP TYPE IF EXISTS ${s}.kind`],
    [
      'NOT OF',
      () =>
        `CREATE TYPE ${s}.kind AS (${plain}); ${alter} OF ${s}.kind; ${write()}; ${alter} NOT OF; DROP TYPE ${s}.kind`,
    ],
    ['DISABLE TRIGGER', () => `${alter} DISABLE TRIGGER ALL; ${write()}`],
    [
      'ENABLE TRIGGER',
      () =>
        `CREATE OR REPLACE TRIGGER quiet BEFORE UPDATE ON ${own} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); ${alter} ENABLE ${pick(['', 'REPLICA', 'ALWAYS'])} TRIGGER quiet; ${write()}`,
    ],
    ['ENABLE TRIGGER', () => `${alter} ENABLE TRIGGER ALL; ${write()}`],
    [
      'ENABLE RULE',
      () =>
        `CREATE OR REPLACE RULE also AS ON DELETE TO ${own} DO ALSO UPDATE ${own} SET ${column} = NULL; ${alter} ENABLE ${pick(['', 'REPLICA', 'ALWAYS'])} RULE also; ${write()}`,
    ],
    ['DISABLE RULE', () => `${alter} DISABLE RULE also; ${write()}`],
    ['DISABLE RULE', () => `DROP RULE IF EXISTS also ON ${own}`],
  ];
}

function rightSteps({ own, schema: s, table: t, column, pick, write, ground }: Moment): Steps {
  const alter = `ALTER TABLE ${own}`;
  return [
    ['OWNER TO', () => `${alter} OWNER TO ${pick(['CURRENT_USER', ground.owner])}; ${write()}`],
    ['OWNER TO', () => `${alter} OWNER TO CURRENT_USER; ${alter} OWNER TO ${ground.owner}`],
    ['GRANT', () => `GRANT SELECT ON ${own} TO PUBLIC; GRANT USAGE ON SCHEMA ${s} TO PUBLIC`],
    ['GRANT', () => `GRANT UPDATE (${column}) ON ${own} TO PUBLIC`],
    ['GRANT', () => `GRANT ALL ON ${own} TO ${ground.owner}; GRANT ALL ON SCHEMA ${s} TO ${ground.owner}`],
    ['REVOKE', () => `REVOKE ALL ON ${own} FROM PUBLIC, ${pick(['PUBLIC', ground.owner])}`],
    ['REVOKE', () => `REVOKE USAGE ON SCHEMA ${s} FROM ${ground.owner}`],
    ['ENABLE ROW LEVEL SECURITY', () => `${alter} ENABLE ROW LEVEL SECURITY; ${write()}`],
    ['DISABLE ROW LEVEL SECURITY', () => `${alter} DISABLE ROW LEVEL SECURITY`],
    [
      'FORCE ROW LEVEL SECURITY',
      () => `${alter} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ${write()}`,
    ],
    ['NO FORCE ROW LEVEL SECURITY', () => `${alter} NO FORCE ROW LEVEL SECURITY`],
    ['CREATE POLICY', () => `CREATE POLICY ${t}_some ON ${own} USING (${column} IS NULL)`],
    ['CREATE POLICY', () => `DROP POLICY IF EXISTS ${t}_some ON ${own}`],
  ];
}

function maintenanceSteps({ own, schema: s, table: t, column, key, outOf, pick, write }: Moment): Steps {
  return [
    ['VACUUM FULL', () => `VACUUM FULL ${own}`],
    [
      'VACUUM FULL',
      () => `ALTER TABLE ${own} ALTER ${column} SET STATISTICS ${outOf(99)}; VACUUM FULL ${own}`,
    ],
    ['VACUUM', () => `VACUUM ${pick(['', '(FREEZE)', '(ANALYZE, INDEX_CLEANUP on)'])} ${own}`],
    ['CLUSTER', () => `CLUSTER ${own} USING ${t}_pkey`],
    ['REINDEX', () => `REINDEX TABLE ${pick(['', 'CONCURRENTLY'])} ${own}`],
    ['REINDEX', () => `REINDEX INDEX ${pick(['', 'CONCURRENTLY'])} ${own}_pkey`],
    ['REINDEX', () => `REINDEX SCHEMA ${s}`],
    ['ANALYZE', () => `ANALYZE ${own}`],
    ['CREATE STATISTICS', () => `CREATE STATISTICS ${s}.st ON ${key}, ${column} FROM ${own}; ANALYZE ${own}`],
    ['COMMENT', () => `COMMENT ON TABLE ${own} IS 'c${outOf(9)}'; COMMENT ON COLUMN ${own}.${column} IS 'd'`],
    ['CREATE INDEX', () => `CREATE INDEX ON ${own} (${column})`],
    [
      'CREATE INDEX',
      () =>
        `CREATE INDEX CONCURRENTLY ON ${own} (${column}); CREATE UNIQUE INDEX ON ${own} (${key}, ${column})`,
    ],
    ['TRUNCATE', () => `TRUNCATE ${own} ${pick(['', 'CASCADE', 'RESTART IDENTITY'])}`],
    ['TRUNCATE', () => `BEGIN; ${write()}; TRUNCATE ${own}; ${write()}; COMMIT`],
    ['transactions', () => `BEGIN; ${write()}; SAVEPOINT a; ${write()}; ROLLBACK TO a; ${write()}; COMMIT`],
    ['transactions', () => `BEGIN; ${write()}; TRUNCATE ${own}; ROLLBACK`],
    [
      'session settings',
      () =>
        `SET bytea_output = ${pick(['hex', 'escape'])}; SET extra_float_digits = ${outOf(3)}; ${write()}; RESET ALL`,
    ],
    ['session settings', () => `SET synchronous_commit = off; ${write()}; ${write()}; RESET ALL`],
    ['session settings', () => `SET session_replication_role = replica; ${write()}; RESET ALL`],
    [
      'session settings',
      () =>
        `SET default_transaction_isolation = serializable; SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'; ${write()}; RESET ALL`,
    ],
    [
      'session settings',
      () =>
        `SET wal_compression = on; SET xmlbinary = hex; SET array_nulls = off; SET quote_all_identifiers = on; ${write()}; RESET ALL`,
    ],
  ];
}
