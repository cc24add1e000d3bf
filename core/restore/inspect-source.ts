/**
 * The part of the script that looks at the source: whether this is the right place, whether the tables are those of the plan, and
 * whether the login may write them exactly. A plan need not ask the source, because the script does, before it loads the rows and again
 * after it has locked the tables. Every table then has its triggers in pg_temp.restore_trigger.
 */
import { quoteTable } from '../pg/identifiers.ts';
import type { RestoreScriptInput, TableRestore } from './restore-input.ts';
import { block, literal, refuse, textArray } from './sql-text.ts';
import { fingerprint, fingerprintSql } from './table-now.ts';

/** Ends with an error at a wrong place, and under settings that hide what the script does. */
export function placeSql({ database, systemIdentifier }: RestoreScriptInput): string {
  return block(`DECLARE
  identifier text;
BEGIN
  IF pg_catalog.current_database() <> ${literal(database)} THEN
    ${refuse(`'other_database: the script is for the database ' || ${literal(database)}`)};
  END IF;
  BEGIN
    SELECT s.system_identifier::text INTO identifier FROM pg_catalog.pg_control_system() AS s;
  EXCEPTION WHEN insufficient_privilege OR feature_not_supported THEN NULL;
  END;
  IF identifier <> ${literal(systemIdentifier)} THEN
    ${refuse(`'other_database: the script is for another server'`)};
  END IF;
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    ${refuse(`'isolation: run the script in a transaction of its own'`)};
  END IF;
  IF pg_catalog.current_setting('session_replication_role') <> 'origin' THEN
    ${refuse(`'no_triggers: session_replication_role must be origin'`)};
  END IF;
  IF pg_catalog.current_setting('track_counts') <> 'on' THEN
    ${refuse(`'track_counts: it must be on, for the script counts what it writes'`)};
  END IF;
END`);
}

export const REFUSALS_TABLE_SQL =
  'CREATE TEMP TABLE restore_refusal (table_number int, place int, reason text, message text) ON COMMIT DROP';

const NO_DEFAULT_SQL = `
              SELECT pg_catalog.string_agg(a.attname, ', ' ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
               WHERE a.attrelid = c.oid AND a.attname = ANY (v.defaults) AND NOT a.atthasdef AND a.attidentity = '' AND y.typdefault IS NULL`;

/** Each a reason with its condition and the words for people, and SQL for names that follow them. */
const CHECKS: readonly (readonly [reason: string, condition: string, message: string, names?: string])[] = [
  ['table_missing', 'c.oid IS NULL', 'The source has no table of this name any more.'],
  ['table_recreated', 'c.oid <> v.oid', 'Another table has its name.'],
  [
    'table_changed',
    `c.oid = v.oid AND ${fingerprintSql('c.oid')} IS DISTINCT FROM v.columns`,
    'It has other columns than in the plan. Make a new plan, after a run.',
  ],
  ['not_a_table', `c.relkind NOT IN ('r', 'p')`, 'Only ordinary and partitioned tables can be restored.'],
  [
    'rules',
    'EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid)',
    'It has rules, which change what is written.',
  ],
  [
    'inheritance',
    `c.relispartition OR c.relkind <> 'p' AND EXISTS (
              SELECT FROM pg_catalog.pg_inherits AS i WHERE c.oid IN (i.inhparent, i.inhrelid))`,
    'It inherits, is inherited from, or is a partition.',
  ],
  [
    'row_security',
    'pg_catalog.row_security_active(c.oid)',
    'Policies filter its rows. Use a role with BYPASSRLS.',
  ],
  [
    'key_type',
    `EXISTS (
              SELECT FROM pg_catalog.pg_attribute AS a
                JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
                JOIN pg_catalog.pg_type AS b ON b.oid = coalesce(nullif(y.typbasetype, 0), y.oid)
               WHERE a.attrelid = c.oid AND a.attname = ANY (v.keys) AND b.typnamespace <> 'pg_catalog'::regnamespace)`,
    'A key column has a type that is not built in.',
  ],
  [
    'identity_always',
    `EXISTS (
              SELECT FROM pg_catalog.pg_attribute AS a
               WHERE a.attrelid = c.oid AND a.attname = ANY (v.updates) AND a.attidentity = 'a')`,
    'A column GENERATED ALWAYS AS IDENTITY cannot be updated.',
  ],
  [
    'no_default',
    `(${NO_DEFAULT_SQL}) IS NOT NULL`,
    'A row that is inserted has no known value, and there is no default, of ',
    NO_DEFAULT_SQL,
  ],
  [
    'missing_rights',
    `NOT (pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
              AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
              AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND pg_catalog.has_table_privilege(c.oid, 'DELETE'))`,
    'The login may not read, insert, update and delete there. Name a login that may.',
  ],
];

/** Fills pg_temp.restore_refusal with the reasons why tables cannot be restored. Needs no rights to them. */
export function inspectSql({ tables }: RestoreScriptInput): string {
  const planned = tables.map(
    ({ table, now, keyColumns, updateColumns, rows }, index) =>
      `  (${index + 1}, ${literal(table.schema)}, ${literal(table.name)}, ${now.oid}::oid, ${literal(fingerprint(now))}, ${textArray(keyColumns)}, ${textArray(updateColumns)}, ${textArray([...new Set(rows.flatMap(({ defaults = [] }) => defaults))])})`,
  );
  const checks = CHECKS.map(
    ([reason, condition, message, names], index) =>
      `  (${index + 1}, ${literal(reason)}, ${condition}, ${literal(message)}${names === undefined ? '' : ` || (${names})`})`,
  );
  return `INSERT INTO pg_temp.restore_refusal (table_number, place, reason, message)
SELECT v.number, k.place, k.reason, k.message
  FROM (VALUES
${planned.join(',\n')}) AS v (number, schema_name, table_name, oid, columns, keys, updates, defaults)
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = v.schema_name
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = v.table_name
 CROSS JOIN LATERAL (VALUES
${checks.join(',\n')}) AS k (place, reason, applies, message)
 WHERE k.applies`;
}

/** Ends with an error if a table cannot be restored. */
export function refuseTablesSql({ tables }: RestoreScriptInput): string {
  const names = textArray(tables.map(({ table }) => quoteTable(table)));
  return block(`DECLARE
  found text;
BEGIN
  SELECT pg_catalog.string_agg(pg_catalog.format('%s: %s: %s', r.reason, (${names})[r.table_number], r.message), E'\\n'
           ORDER BY r.table_number, r.place)
    INTO found FROM pg_temp.restore_refusal AS r;
  IF found IS NOT NULL THEN
    ${refuse('found')};
  END IF;
END`);
}

/** The triggers that fire on writes, those of partitions too: the number of the table, the name, the place quoted, ENABLE ALWAYS. */
export function triggersSql(tables: readonly TableRestore[]): string {
  const oids = tables.map(({ now }, index) => `(${index + 1}, ${now.oid}::oid)`);
  return `SELECT v.number, g.tgname::text AS name, pg_catalog.format('%I.%I', m.nspname, r.relname) AS place, g.tgenabled = 'A' AS is_always
  FROM (VALUES ${oids.join(', ')}) AS v (number, oid)
  JOIN pg_catalog.pg_class AS r ON r.oid = v.oid OR r.oid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(v.oid) AS p)
  JOIN pg_catalog.pg_namespace AS m ON m.oid = r.relnamespace
  JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.oid
 WHERE NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
 ORDER BY v.number, g.tgname, m.nspname, r.relname`;
}

/** After the locks: nobody can add a trigger then. */
export const keepTriggersSql = ({ tables }: RestoreScriptInput): string =>
  `CREATE TEMP TABLE restore_trigger ON COMMIT DROP AS\n${triggersSql(tables)}`;

/** Each trigger by itself, so that it ends as it was. ALTER TABLE is part of the transaction, and needs the owner. */
export function switchTriggersSql(act: 'DISABLE' | 'ENABLE'): string {
  const how =
    act === 'DISABLE' ? `'DISABLE'` : `CASE WHEN g.is_always THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END`;
  return block(`DECLARE
  each record;
BEGIN
  FOR each IN SELECT g.place, g.name, ${how} AS act FROM pg_temp.restore_trigger AS g LOOP
    EXECUTE pg_catalog.format('ALTER TABLE ONLY %s %s TRIGGER %I', each.place, each.act, each.name);
  END LOOP;
END`);
}

/**
 * Moves the sequences of identity and serial columns up to the restored values, never down.
 * @param where the values are: those that were loaded, or all that the table has
 */
export function sequencesSql(
  { table, now, rowColumns, rows, removed }: TableRestore,
  index: number,
  where: 'loaded' | 'table',
): string[] {
  if (removed === null && !rows.some(({ op }) => op === 'insert')) return [];
  const type = quoteTable(table).replaceAll('%', '%%'); // in the format of format()
  const parts = [
    `SELECT (x.target).%1$I AS value FROM pg_temp.restore_rows_${index + 1} AS x WHERE x.op = 'insert'`,
    ...(removed === null
      ? []
      : [
          `SELECT (pg_catalog.json_populate_record(NULL::${type}, x.target)).%1$I FROM pg_temp.restore_removed_${index + 1} AS x`,
        ]),
  ];
  const values = where === 'table' ? `SELECT t.%1$I AS value FROM ${type} AS t` : parts.join(' UNION ALL ');
  return [
    block(`DECLARE
  each record;
BEGIN
  FOR each IN
    SELECT a.attname AS name, s.name AS sequence
      FROM pg_catalog.pg_attribute AS a
     CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_serial_sequence(${literal(quoteTable(table))}, a.attname) AS name) AS s
     WHERE a.attrelid = ${now.oid}::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (${textArray(rowColumns)})
       AND s.name IS NOT NULL
  LOOP
    EXECUTE pg_catalog.format(${literal(`
      SELECT pg_catalog.setval(%2$L::regclass, m.value)
        FROM (SELECT pg_catalog.max(r.value)::bigint AS value FROM (${values}) AS r) AS m, %2$s AS s
       WHERE m.value > s.last_value`)}, each.name, each.sequence);
  END LOOP;
END`),
  ];
}
