/**
 * Columns that have another type now than when a row was written: PostgreSQL rounds or cuts a value without a word. The script ends with
 * an error unless every value that it would write, printed again, is the value of the history.
 */
import { quoteIdentifier, quoteTable } from '../pg/identifiers.ts';
import { parseLsn } from '../types/lsn.ts';
import type { TableRestore } from './restore-input.ts';
import { block, literal, refuse } from './sql-text.ts';
import type { TableNow } from './table-now.ts';
import type { HistoryFacts } from './undone-changes.ts';

/** Columns that may have had another type when a row was written, at `first` or later. */
export function retypedColumns({ columns }: HistoryFacts, now: TableNow | null, first: string): string[] {
  return (now?.columns ?? [])
    .filter(({ attnum, typeOid, typeName, generated }) => {
      const stored = columns.find((each) => each.attnum === attnum);
      if (stored === undefined || generated !== '') return false;
      const { type_oid, type_name, typed_since_lsn = null } = stored;
      if (type_oid !== typeOid || type_name !== typeName) return true;
      return typed_since_lsn !== null && parseLsn(typed_since_lsn) >= parseLsn(first);
    })
    .map(({ name }) => name);
}

/** Why rows in bulk, which no statement compares, do not come back. */
export const retypedInBulk = (names: readonly string[]): [reason: string, message: string] => [
  'table_changed',
  `Columns got another type: ${names.join(', ')}. Make a new plan, after a run.`,
];

const NUMERIC = 1700;
const BPCHAR = 1042;

/** What a wider column adds to a text of these types: zeros, blanks. */
function addedSql(baseTypeOid: number | undefined): string | null {
  if (baseTypeOid === NUMERIC)
    return `CASE WHEN pg_catalog.strpos(v.was, '.') > 0 THEN '^0+$' ELSE '^\\.0+$' END`;
  return baseTypeOid === BPCHAR ? `'^ +$'` : null;
}

/** Compares the loaded rows with their JSON. */
export function refuseOtherValuesSql({ table, now, retyped }: TableRestore, index: number): string {
  const columns = retyped.map((name) => {
    const value = `(x.target).${quoteIdentifier(name)}`;
    const added = addedSql(now.columns.find((column) => column.name === name)?.baseTypeOid);
    const member = literal(name);
    return `SELECT ${member}::text AS name, v.was, v.is_now
      FROM (SELECT x.target_json ->> ${member} AS was, x.target_json -> ${member} AS was_json, pg_catalog.format('%s', ${value}) AS is_now,
                   pg_catalog.to_json(${value})::text AS now_json) AS v
     WHERE v.was IS NOT NULL AND v.was <> v.is_now AND v.was_json::text IS DISTINCT FROM v.now_json${
       added === null
         ? ''
         : `
       AND NOT (pg_catalog.starts_with(v.is_now, v.was) AND pg_catalog.substr(v.is_now, pg_catalog.length(v.was) + 1) ~ ${added})`
     }`;
  });
  return block(`DECLARE
  found text;
BEGIN
  SELECT pg_catalog.format('%s of the row %s is %s in the history and would be %s', o.name, x.pk, o.was, o.is_now) INTO found
    FROM pg_temp.restore_rows_${index + 1} AS x
   CROSS JOIN LATERAL (
    ${columns.join('\n    UNION ALL\n    ')}) AS o
   WHERE x.op <> 'update' OR o.name = ANY (x.columns)
   LIMIT 1;
  IF found IS NOT NULL THEN
    ${refuse(`'type_changed: ' || ${literal(quoteTable(table))} || ' cannot hold a value of that time as it was: ' || found`)};
  END IF;
END`);
}
