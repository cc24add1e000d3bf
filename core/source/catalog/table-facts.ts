/**
 * Reads from the catalog of the source what it contains about tables, found by name, in one statement. Callers compare that state with
 * the one in the store. This file decides nothing.
 */
import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';
import {
  createTypeCatalog,
  hasShape,
  shapesOf,
  TYPE_CATALOG_SQL,
  TYPE_SHAPES_SQL,
  type TypeCatalog,
  type TypeKind,
  type TypeRow,
  type TypeShape,
} from '../../types/pg-types.ts';

export interface TableFacts {
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
  /** pg_class.relkind: r table, p partitioned table, v view, m materialized view, f foreign table, … */
  readonly relkind: string;
  /** p permanent, u unlogged, t temporary. */
  readonly persistence: string;
  /** d default, n nothing, f full, i index. */
  readonly replicaIdentity: string;
  readonly identity: Identity;
  /**
   * The constraint of the primary key if it is DEFERRABLE: the server checks it at the end of a statement or transaction, so rows may
   * share a key until then. null: it is not deferrable.
   */
  readonly deferrableKey: string | null;
  /** With replica identity `i`: whether that index is the primary key. */
  readonly identityIsPrimaryKey: boolean;
  /** Whether policies hide rows from the role of the session (PostgreSQL manual, "Row Security Policies"). */
  readonly rowSecurity: boolean;
  /** The topmost table of which this one is a partition; null if it is not a partition. */
  readonly partitionRoot: TableName | null;
  /** Whether the role of the session is the owner or a member of it. */
  readonly owned: boolean;
  /** The transaction that set its name or its owner; null if the object has no row type. */
  readonly namedBy: string | null;
  readonly namespace: NamespaceFacts;
  /** OID of the constraint of the primary key. It changes when the key is dropped and added again. */
  readonly keyConstraint: number | null;
  /**
   * OID of the TOAST table; 0: none. It changes when ALTER TABLE rewrites the table. VACUUM FULL, CLUSTER and TRUNCATE keep it.
   */
  readonly toast: number;
  /** Whether it is a hypertable of TimescaleDB: the log contains its chunks, under their own names. */
  readonly isHypertable: boolean;
  /** The types of its columns, and those that they consist of, if the text of their values depends on more than the value. */
  readonly types: readonly TypeShape[];
  readonly columns: readonly ColumnFacts[];
  /** In key order; empty when there is no primary key. */
  readonly key: readonly KeyColumnFacts[];
  /** The leaves of a partitioned table, which hold its rows; empty for other tables. */
  readonly leaves: readonly LeafFacts[];
  /** pg_class.relfilenode. It changes with every rewrite, also by TRUNCATE and VACUUM FULL; 0 for a partitioned table. */
  readonly filenode: number;
  /** From the last ANALYZE or VACUUM, for all leaves together; -1: not known. */
  readonly estimatedRows: number;
  /** Whether the server can publish stored generated columns, and requires those of a replica identity (PostgreSQL 18). */
  readonly publishesGenerated: boolean;
  /** How the requested publication shows the table; null if it does not exist, or none was requested. */
  readonly published: PublishedFacts | null;
}

/**
 * The columns that the log has of old rows: the replica identity as the server determines it. It is computed from the catalog, because
 * asking the server for the index would wait for locks (its RelationGetIndexList; PostgreSQL manual, "ALTER TABLE", REPLICA IDENTITY).
 */
export type Identity = 'key' | 'other' | 'full' | 'none';

export interface PublishedFacts {
  /** OID of the entry of the table in pg_publication_rel. It changes when the table is dropped from the publication and added again; null: no entry. */
  readonly entry: number | null;
  /** The transaction that last changed the publication itself: its actions, name or owner. */
  readonly changedBy: string;
  /** Whether every action is published, and changes of partitions under their own names. */
  readonly everyAction: boolean;
  /** Whether it hides stored generated columns although the server could publish them. */
  readonly hidesGenerated: boolean;
  /** Whether the entry has a row filter. */
  readonly isFiltered: boolean;
  /** The column list of the entry; null: all columns. */
  readonly columns: readonly string[] | null;
  /** Partitions with their own entries that leave out rows or columns. */
  readonly restrictedPartitions: readonly TableName[];
}

/** The schema of a table. If it is renamed and renamed back, only the transaction of the last change shows that. */
export interface NamespaceFacts {
  /** The transaction that last changed the name, the owner or the privileges of the schema. */
  readonly changedBy: string;
  readonly rights: string;
}

interface ColumnFacts {
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
  /** As format_type prints it: `numeric(10,2)`. */
  readonly typeName: string;
  readonly notNull: boolean;
  /** '' | s stored | v virtual. */
  readonly generated: string;
  /**
   * Whether values may be stored out of line: the log then omits them in an UPDATE that does not change them. The type decides that. The
   * storage setting of a column decides only where new values go (PostgreSQL manual, "TOAST").
   */
  readonly variableLength: boolean;
  readonly isKey: boolean;
  /** The type itself, or the base type of a domain. */
  readonly baseTypeOid: number;
  /** The transaction that last changed the description of this column. */
  readonly describedBy: string;
  /** Whether rows older than the column show a constant from the catalog (ADD COLUMN … DEFAULT). */
  readonly hasMissing: boolean;
  /** OID of its default, which ALTER TYPE changes; null: it has none. */
  readonly defaultOid: number | null;
}

interface KeyColumnFacts {
  readonly name: string;
  readonly typeOid: number;
  readonly typeName: string;
  readonly kind: TypeKind;
  /** The type without length or precision; for a domain, the type that it is over. See `keyValueSql`. */
  readonly plainType: string;
  /** The schema of {@link plainType}, which also has its operators. */
  readonly operatorSchema: string;
  /** false: different texts can be equal. */
  readonly deterministicCollation: boolean;
}

interface LeafFacts {
  readonly schema: string;
  readonly name: string;
  readonly relid: number;
  readonly relkind: string;
  readonly persistence: string;
  readonly replicaIdentity: string;
  readonly identity: Identity;
  readonly filenode: number;
  readonly toast: number;
  readonly namedBy: string;
  readonly namespace: NamespaceFacts;
  readonly keyConstraint: number | null;
  /** The transactions that attached it and the partitions above it. They change when it is detached and attached again. */
  readonly attachedBy: string;
}

/**
 * The facts of the tables, in the order of `names`; null where the source has no relation of that name.
 * @param publication the result tells how this publication shows the tables
 */
export async function readTableFacts(
  source: Queryable,
  names: readonly TableName[],
  publication: string | null = null,
): Promise<(TableFacts | null)[]> {
  if (names.length === 0) return [];
  const { rows } = await source.query<FactsRow>(TABLE_FACTS_SQL, [
    names.map((name) => name.schema),
    names.map((name) => name.name),
    publication,
  ]);
  const drafts = rows.map((row) => (row.facts === null ? null : parseCatalogJson(row.facts)));
  const shapes = await readTypeShapes(
    source,
    drafts.flatMap((draft) => draft?.columns.map((column) => column.typeOid) ?? []),
  );
  const types = createTypeCatalog(shapes);
  return drafts.map((draft) =>
    draft === null
      ? null
      : {
          ...draft,
          key: draft.key.map((column) => ({ ...column, kind: types(column.typeOid) })),
          types: shapesOf(
            shapes,
            draft.columns.map((column) => column.typeOid),
          ),
        },
  );
}

/** The shapes of the types and of the types that they consist of, for those with {@link hasShape}. */
async function readTypeShapes(source: Queryable, oids: readonly number[]): Promise<TypeShape[]> {
  const asked = [...new Set(oids)].filter(hasShape);
  if (asked.length === 0) return [];
  const { rows } = await source.query<TypeRowText & { parts: string[]; made_of: string[] }>(TYPE_SHAPES_SQL, [
    asked,
  ]);
  return rows.map((row) => ({
    ...toTypeRow(row),
    parts: row.parts,
    madeOf: row.made_of.map((oid) => Number.parseInt(oid, 10)),
  }));
}

/** The types of the source database. @param former earlier descriptions of types that may be gone by now */
export async function readTypeCatalog(
  source: Queryable,
  former: readonly TypeRow[] = [],
): Promise<TypeCatalog> {
  const { rows } = await source.query<TypeRowText>(TYPE_CATALOG_SQL);
  return createTypeCatalog([...former, ...rows.map(toTypeRow)]);
}

type TypeRowText = Record<'oid' | 'typtype' | 'typbasetype' | 'typelem' | 'typname' | 'typdelim', string>;

function toTypeRow(row: TypeRowText): TypeRow {
  const toOid = (text: string): number => Number.parseInt(text, 10);
  return {
    oid: toOid(row.oid),
    typtype: row.typtype,
    typbasetype: toOid(row.typbasetype),
    typelem: toOid(row.typelem),
    typname: row.typname,
    typdelim: row.typdelim,
  };
}

interface FactsRow {
  readonly facts: string | null;
}

type DraftFacts = Omit<TableFacts, 'key' | 'types'> & {
  readonly key: readonly Omit<KeyColumnFacts, 'kind'>[];
};

/** JSON.parse is safe here: the text has only names and OIDs of the catalog, which JavaScript values hold exactly. */
function parseCatalogJson(text: string): DraftFacts {
  return JSON.parse(text) as DraftFacts;
}

function namespaceSql(n: string): string {
  return `json_build_object('changedBy', ${n}.xmin::text, 'rights', coalesce(${n}.nspacl::text, ''))`;
}

function keyConstraintSql(c: string): string {
  return `(SELECT k.oid::int8 FROM pg_constraint AS k WHERE k.conrelid = ${c}.oid AND k.contype = 'p')`;
}

/** The type that a domain is over, at last: a domain may be over a domain. */
function baseTypeSql(oid: string): string {
  return `(WITH RECURSIVE based AS (
                       SELECT d.oid, d.typnamespace, d.typbasetype FROM pg_type AS d WHERE d.oid = ${oid}
                        UNION ALL
                       SELECT d.oid, d.typnamespace, d.typbasetype
                         FROM based AS b JOIN pg_type AS d ON d.oid = b.typbasetype)
                     SELECT b.oid, b.typnamespace FROM based AS b WHERE b.typbasetype = 0)`;
}

const TABLE_FACTS_SQL = `
  SELECT CASE WHEN c.oid IS NOT NULL THEN json_build_object(
           'schema', n.nspname, 'name', c.relname, 'oid', c.oid::int8, 'relkind', c.relkind,
           'persistence', c.relpersistence, 'replicaIdentity', c.relreplident, 'filenode', c.relfilenode::int8,
           'identity', CASE WHEN c.relreplident = 'f' THEN 'full' ELSE coalesce((
              SELECT CASE WHEN i.indisprimary THEN 'key' ELSE 'other' END
                FROM pg_index AS i
               WHERE i.indrelid = c.oid AND i.indislive AND i.indisvalid AND i.indisunique AND i.indimmediate
                 AND i.indpred IS NULL
                 AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END), 'none') END,
           'deferrableKey', (
              SELECT k.conname FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'p' AND k.condeferrable),
           'identityIsPrimaryKey', coalesce((
              SELECT i.indisprimary FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisreplident), false),
           'rowSecurity', c.relkind IN ('r', 'p') AND row_security_active(c.oid),
           'partitionRoot', (
              SELECT json_build_object('schema', rn.nspname, 'name', r.relname)
                FROM pg_class AS r JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
               WHERE c.relispartition AND r.oid = pg_partition_root(c.oid)),
           'owned', pg_has_role(c.relowner, 'USAGE'),
           'namedBy', (SELECT ty.xmin::text FROM pg_type AS ty WHERE ty.oid = c.reltype), -- the row type has the name of the table
           'namespace', ${namespaceSql('n')},
           'keyConstraint', ${keyConstraintSql('c')},
           'toast', c.reltoastrelid::int8,
           'isHypertable', c.relkind = 'r' AND c.relhassubclass AND EXISTS (
              SELECT FROM pg_inherits AS i
               CROSS JOIN LATERAL (SELECT k.relnamespace FROM pg_class AS k WHERE k.oid = i.inhrelid OFFSET 0) AS k
               WHERE i.inhparent = c.oid
                 AND k.relnamespace = (SELECT kn.oid FROM pg_namespace AS kn WHERE kn.nspname = '_timescaledb_internal')),
           'columns', coalesce((
              SELECT json_agg(json_build_object(
                       'attnum', a.attnum, 'name', a.attname, 'typeOid', a.atttypid::int8,
                       'typeName', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
                       'generated', a.attgenerated, 'variableLength', a.attlen = -1,
                       'isKey', a.attnum = ANY (coalesce(k.key, '{}')),
                       'baseTypeOid', CASE WHEN ty.typbasetype = 0 THEN ty.oid ELSE (
                          SELECT b.oid FROM ${baseTypeSql('ty.oid')} AS b) END::int8,
                       'describedBy', a.xmin::text,
                       'hasMissing', a.atthasmissing OR a.attname = ANY (missing.names) IS TRUE,
                       'defaultOid', CASE WHEN a.atthasdef THEN (
                          SELECT d.oid::int8 FROM pg_attrdef AS d WHERE d.adrelid = c.oid AND d.adnum = a.attnum) END) ORDER BY a.attnum)
                FROM pg_attribute AS a JOIN pg_type AS ty ON ty.oid = a.atttypid
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
           'key', coalesce((
              SELECT json_agg(json_build_object(
                       'name', a.attname, 'typeOid', a.atttypid::int8,
                       'typeName', format_type(a.atttypid, a.atttypmod),
                       'plainType', format_type(base.oid, -1),
                       'operatorSchema', (SELECT bn.nspname FROM pg_namespace AS bn WHERE bn.oid = base.typnamespace),
                       'deterministicCollation', coalesce((
                          SELECT co.collisdeterministic FROM pg_collation AS co WHERE co.oid = a.attcollation), true)) ORDER BY key.position)
                FROM unnest(k.key) WITH ORDINALITY AS key (attnum, position)
               CROSS JOIN LATERAL ( -- by index, one after the other
                     SELECT a.attname, a.atttypid, a.atttypmod, a.attcollation FROM pg_attribute AS a
                      WHERE a.attrelid = c.oid AND a.attnum = key.attnum OFFSET 0) AS a
               CROSS JOIN LATERAL ${baseTypeSql('a.atttypid')} AS base), '[]'),
           'leaves', coalesce((
              SELECT json_agg(json_build_object(
                       'schema', ln.nspname, 'name', l.relname, 'relid', l.oid::int8, 'relkind', l.relkind,
                       'persistence', l.relpersistence, 'replicaIdentity', l.relreplident, 'identity', CASE WHEN l.relreplident = 'f' THEN 'full' ELSE coalesce((
              SELECT CASE WHEN i.indisprimary THEN 'key' ELSE 'other' END
                FROM pg_index AS i
               WHERE i.indrelid = l.oid AND i.indislive AND i.indisvalid AND i.indisunique AND i.indimmediate
                 AND i.indpred IS NULL
                 AND CASE l.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END), 'none') END,
                       'filenode', l.relfilenode::int8, 'toast', l.reltoastrelid::int8,
                       'namedBy', (SELECT ty.xmin::text FROM pg_type AS ty WHERE ty.oid = l.reltype),
                       'namespace', ${namespaceSql('ln')}, 'keyConstraint', ${keyConstraintSql('l')}, 'attachedBy', (
                          SELECT coalesce(string_agg(i.by, ' ' ORDER BY up.relid), '') -- '': the partition is being detached at this moment
                            FROM pg_partition_ancestors(l.oid) AS up
                           CROSS JOIN LATERAL (
                                 SELECT i.xmin::text AS by FROM pg_inherits AS i WHERE i.inhrelid = up.relid OFFSET 0) AS i))
                       ORDER BY ln.nspname, l.relname)
                FROM unnest(tree.leaves) AS t (relid)
                JOIN pg_class AS l ON l.oid = t.relid JOIN pg_namespace AS ln ON ln.oid = l.relnamespace), '[]'),
           'estimatedRows', CASE WHEN c.relkind <> 'p' THEN c.reltuples::int8 ELSE (
              SELECT CASE WHEN bool_and(e.reltuples < 0) THEN -1 ELSE sum(greatest(e.reltuples, 0)) END::int8
                FROM unnest(tree.leaves) AS t (relid) JOIN pg_class AS e ON e.oid = t.relid) END,
           'publishesGenerated', current_setting('server_version_num')::int >= 180000,
           'published', (
              SELECT json_build_object(
                       'entry', own.oid::int8, 'changedBy', p.xmin::text,
                       'everyAction', p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate
                                      AND NOT (p.pubviaroot AND c.relkind = 'p'),
                       'hidesGenerated', coalesce(to_jsonb(p) ->> 'pubgencols' = 'n', false),
                       'isFiltered', own.entry ->> 'prqual' IS NOT NULL,
                       'columns', CASE WHEN own.entry ->> 'prattrs' IS NOT NULL THEN ARRAY(
                          SELECT a.attname FROM pg_attribute AS a
                           WHERE a.attrelid = c.oid AND own.entry -> 'prattrs' @> to_jsonb(a.attnum)
                           ORDER BY a.attnum) END,
                       'restrictedPartitions', coalesce((
                          SELECT json_agg(json_build_object('schema', ln.nspname, 'name', l.relname) ORDER BY l.oid)
                            FROM unnest(tree.partitions) AS t (relid)
                            JOIN pg_publication_rel AS e ON e.prrelid = t.relid AND e.prpubid = p.oid
                            JOIN pg_class AS l ON l.oid = t.relid JOIN pg_namespace AS ln ON ln.oid = l.relnamespace
                           WHERE c.relkind = 'p' AND coalesce(to_jsonb(e) ->> 'prqual', to_jsonb(e) ->> 'prattrs') IS NOT NULL), '[]'))
                FROM pg_publication AS p
                LEFT JOIN LATERAL ( -- as jsonb, because before 15 the columns for filter and column list do not exist
                       SELECT e.oid, to_jsonb(e) AS entry
                         FROM pg_publication_rel AS e WHERE e.prpubid = p.oid AND e.prrelid = c.oid) AS own ON true
               WHERE p.pubname = $3::name)
         )::text END AS facts
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (schema_name, table_name, position)
    LEFT JOIN pg_namespace AS n ON n.nspname = wanted.schema_name
    LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.table_name
                           AND c.relkind NOT IN ('i', 'I', 'S', 't', 'c')
    LEFT JOIN LATERAL ( -- an int2vector counts from 0; INCLUDEd columns follow the key columns
           SELECT (i.indkey::int2[])[0:i.indnkeyatts - 1] AS key
             FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary) AS k ON true
   CROSS JOIN LATERAL (
         SELECT array_agg(t.relid::oid) AS partitions, array_agg(t.relid::oid) FILTER (WHERE t.isleaf) AS leaves
           FROM pg_partition_tree(c.oid) AS t
          WHERE c.relkind = 'p' AND t.relid <> c.oid) AS tree
   CROSS JOIN LATERAL ( -- columns that rows of a leaf do not store; a root has no rows of its own
         SELECT array_agg(DISTINCT la.attname) AS names
           FROM unnest(tree.leaves) AS t (relid)
          CROSS JOIN LATERAL (
                SELECT a.attname FROM pg_attribute AS a
                 WHERE a.attrelid = t.relid AND a.attnum > 0 AND a.atthasmissing OFFSET 0) AS la) AS missing
   ORDER BY wanted.position`;
