/**
 * The columns of a table as a plan takes them: those that the source has now or, if the source is not asked, those that the last run
 * found there. The script compares them with the catalog when it runs, so an old description is a refusal and never a wrong row.
 */
export interface ColumnNow {
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
  /** In the form of format_type(). */
  readonly typeName: string;
  /** The type itself, or the base type of a domain. */
  readonly baseTypeOid: number;
  /** '': it is not generated. */
  readonly generated: string;
}

export interface TableNow {
  readonly oid: number;
  readonly relkind: string;
  /** In the order of their numbers. */
  readonly columns: readonly ColumnNow[];
}

const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802]);

export const isJsonColumn = ({ baseTypeOid }: ColumnNow): boolean => JSON_TYPES.has(baseTypeOid);

/** The definition of the columns, as {@link fingerprintSql} computes it. */
export function fingerprint({ columns }: TableNow): string {
  return columns
    .toSorted((a, b) => a.attnum - b.attnum)
    .map(
      ({ attnum, name, typeOid, typeName, generated }) =>
        `${attnum} ${name} ${typeOid} ${typeName} ${generated}`,
    )
    .join(', ');
}

/** An expression, for a session whose search_path is that of the script. @param oid SQL */
export const fingerprintSql = (oid: string): string => `(
  SELECT pg_catalog.string_agg(pg_catalog.format('%s %s %s %s %s', a.attnum, a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated), ', ' ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped)`;
