/**
 * The forms of the grammar of PostgreSQL 15 and 18 (manual pages ALTER TABLE, ALTER TYPE, ALTER DOMAIN, ALTER SCHEMA, ALTER
 * DATABASE, ALTER ROLE, ALTER PUBLICATION, ALTER SEQUENCE), and the maintenance that rewrites or reads tables. Each is a step
 * of the hunt, or {@link NOT_STEPS} gives the reason why not.
 */
export const GRAMMAR: readonly string[] = [
  ...['RENAME COLUMN', 'RENAME CONSTRAINT', 'RENAME TO', 'SET SCHEMA', 'ALL IN TABLESPACE SET TABLESPACE'],
  ...['ATTACH PARTITION', 'DETACH PARTITION', 'DETACH PARTITION CONCURRENTLY', 'DETACH PARTITION FINALIZE'],
  ...['ADD COLUMN', 'ADD COLUMN IF NOT EXISTS', 'ADD COLUMN DEFAULT', 'ADD COLUMN GENERATED STORED'],
  ...['ADD COLUMN GENERATED VIRTUAL', 'ADD COLUMN GENERATED AS IDENTITY', 'DROP COLUMN', 'ALTER COLUMN TYPE'],
  ...['SET DEFAULT', 'DROP DEFAULT', 'SET NOT NULL', 'DROP NOT NULL', 'SET EXPRESSION', 'DROP EXPRESSION'],
  ...['ADD GENERATED AS IDENTITY', 'SET GENERATED', 'DROP IDENTITY', 'SET STATISTICS'],
  ...['SET (attribute_option)', 'RESET (attribute_option)', 'SET STORAGE', 'SET COMPRESSION'],
  ...['ADD table_constraint', 'ADD table_constraint_using_index', 'ALTER CONSTRAINT', 'VALIDATE CONSTRAINT'],
  ...['DROP CONSTRAINT', 'DISABLE TRIGGER', 'ENABLE TRIGGER', 'DISABLE RULE', 'ENABLE RULE'],
  ...['ENABLE ROW LEVEL SECURITY', 'DISABLE ROW LEVEL SECURITY', 'FORCE ROW LEVEL SECURITY'],
  ...['NO FORCE ROW LEVEL SECURITY', 'CLUSTER ON', 'SET WITHOUT CLUSTER', 'SET WITHOUT OIDS'],
  ...['SET ACCESS METHOD', 'SET TABLESPACE', 'SET LOGGED', 'SET UNLOGGED', 'SET (storage_parameter)'],
  ...['RESET (storage_parameter)', 'INHERIT', 'NO INHERIT', 'OF', 'NOT OF', 'OWNER TO'],
  ...['REPLICA IDENTITY DEFAULT', 'REPLICA IDENTITY USING INDEX', 'REPLICA IDENTITY FULL'],
  'REPLICA IDENTITY NOTHING',
  ...[
    'OWNER TO',
    'RENAME TO',
    'SET SCHEMA',
    'RENAME ATTRIBUTE',
    'ADD VALUE',
    'RENAME VALUE',
    'SET (property)',
  ].map((form) => `ALTER TYPE ${form}`),
  ...['ADD ATTRIBUTE', 'DROP ATTRIBUTE', 'ALTER ATTRIBUTE TYPE'].map((form) => `ALTER TYPE ${form}`),
  ...[
    'SET DEFAULT',
    'DROP DEFAULT',
    'SET NOT NULL',
    'DROP NOT NULL',
    'ADD CONSTRAINT',
    'DROP CONSTRAINT',
  ].map((form) => `ALTER DOMAIN ${form}`),
  ...['RENAME CONSTRAINT', 'VALIDATE CONSTRAINT', 'OWNER TO', 'RENAME TO', 'SET SCHEMA'].map(
    (form) => `ALTER DOMAIN ${form}`,
  ),
  ...['ALTER SCHEMA RENAME TO', 'ALTER SCHEMA OWNER TO'],
  ...['WITH option', 'RENAME TO', 'OWNER TO', 'SET TABLESPACE', 'REFRESH COLLATION VERSION', 'SET'].map(
    (form) => `ALTER DATABASE ${form}`,
  ),
  ...['ALTER DATABASE SET FROM CURRENT', 'ALTER DATABASE RESET'],
  ...['WITH option', 'RENAME TO', 'SET', 'IN DATABASE SET', 'SET FROM CURRENT', 'RESET', 'ALL SET'].map(
    (form) => `ALTER ROLE ${form}`,
  ),
  ...['ADD TABLE', 'ADD TABLE (columns)', 'ADD TABLE WHERE', 'ADD TABLES IN SCHEMA', 'SET TABLE', 'DROP'].map(
    (form) => `ALTER PUBLICATION ${form}`,
  ),
  ...['DROP TABLES IN SCHEMA', 'SET (parameter)', 'OWNER TO', 'RENAME TO'].map(
    (form) => `ALTER PUBLICATION ${form}`,
  ),
  ...['ALTER SEQUENCE', 'ALTER SEQUENCE SET LOGGED', 'ALTER SEQUENCE OWNED BY', 'ALTER SEQUENCE OWNER TO'],
  ...['ALTER SEQUENCE RENAME TO', 'ALTER SEQUENCE SET SCHEMA'],
  ...['GRANT', 'REVOKE', 'CREATE POLICY', 'VACUUM', 'VACUUM FULL', 'CLUSTER', 'REINDEX', 'ANALYZE'],
  ...['CREATE STATISTICS', 'COMMENT', 'CREATE INDEX', 'TRUNCATE', 'CREATE PARTITION', 'DROP TABLE'],
];

/** The forms that are no steps, with the reason. */
export const NOT_STEPS: Readonly<Record<string, string>> = {
  'DETACH PARTITION FINALIZE':
    'it ends a DETACH CONCURRENTLY that was interrupted, and the hunt interrupts none',
  'ALL IN TABLESPACE SET TABLESPACE': 'it moves the tables of every sequence; the single move is a step',
  'ALTER DATABASE RENAME TO':
    'nobody may be connected, and the hunt is; see test/pg/store/claim-first.test.ts',
  'ALTER DATABASE SET TABLESPACE': 'nobody may be connected; files move, and the catalog says the same',
  'ALTER ROLE ALL SET':
    'it reaches every test of the server; each role of the hunt gets the same settings by itself',
  'ALTER PUBLICATION SET TABLE':
    'it is DROP and ADD of what it names, which are steps, for every sequence at once',
};
