/**
 * The facts of a type that are needed to store its values unchanged: how its text form becomes JSON, and whether it can be part
 * of a key. Types are found by OID. A domain counts as its base type. Values of an unknown type are stored as their text form.
 */

/** How the text form of a value becomes JSON text. */
export type Rendering = 'number' | 'boolean' | 'json' | 'timestamp' | 'timestamptz' | 'array' | 'text';

export interface TypeKind {
  /**
   * Name of the built-in base type (`int8`, `bpchar`, …), or one of `citext` and its variants (see {@link TYPE_CATALOG_SQL}), `enum`,
   * `array`, `composite`, `range`, `other` (a base type of an extension), `unknown` (not in the catalog that was read).
   */
  readonly name: string;
  readonly rendering: Rendering;
  /** The type of the elements, for arrays that become JSON arrays; null otherwise. */
  readonly element: TypeKind | null;
  /** What separates the elements of an array of this type: `;` for box, a comma for all others. */
  readonly delimiter: string;
}

/** Finds a type; never fails (see `unknown` in {@link TypeKind}). */
export type TypeCatalog = (oid: number) => TypeKind;

/** A row of pg_type, as {@link TYPE_CATALOG_SQL} reads it. */
export interface TypeRow {
  readonly oid: number;
  readonly typtype: string;
  readonly typbasetype: number;
  /** 0 unless the type is a true array (pg_type.typelem is also set for types such as `point`). */
  readonly typelem: number;
  readonly typname: string;
  readonly typdelim: string;
}

/** FirstNormalObjectId: the OIDs of built-in objects are lower and never change. */
export const FIRST_USER_OID = 16_384;

/** A type and what the text of its values depends on, as {@link TYPE_SHAPES_SQL} reads it. */
export interface TypeShape extends TypeRow {
  /**
   * What the text of values depends on, each part as `thing=state`. A new part that begins with `+` (a label of an enum, a name
   * that a regclass shows) does not change the text of existing values; any other new part does. `+by` is the transaction that
   * set the name: if a name was changed and changed back, values were printed with the other name meanwhile.
   */
  readonly parts: readonly string[];
  /** The OIDs of the types that it consists of. */
  readonly madeOf: readonly number[];
}

/**
 * Built-in types whose values print the names of other objects, by the OIDs of their array types. When such a name changes, the
 * text of values changes although no row is written (PostgreSQL manual, "Object Identifier Types").
 */
const NAMING_TYPES: ReadonlyMap<number, number> = new Map([
  ...([
    [1008, 24],
    [2207, 2202],
    [2208, 2203],
    [2209, 2204],
    [2210, 2205],
    [2211, 2206],
  ] as const),
  ...([
    [4090, 4089],
    [4097, 4096],
    [3735, 3734],
    [3770, 3769],
    [4192, 4191],
    [1034, 1033],
  ] as const),
]);
const NAMING_ELEMENTS: ReadonlySet<number> = new Set(NAMING_TYPES.values());

/** Whether the text of a value of the type depends on more than the value itself. */
export function hasShape(oid: number): boolean {
  return oid >= FIRST_USER_OID || NAMING_TYPES.has(oid) || NAMING_ELEMENTS.has(oid);
}

/** The shapes of the types and of the types that they consist of, in the order of their OIDs. */
export function shapesOf(shapes: readonly TypeShape[], oids: readonly number[]): TypeShape[] {
  const byOid = new Map(shapes.map((shape) => [shape.oid, shape]));
  const reached = new Set<TypeShape>();
  const open = [...oids];
  for (let oid = open.pop(); oid !== undefined; oid = open.pop()) {
    const shape = byOid.get(NAMING_TYPES.get(oid) ?? oid);
    if (shape === undefined || reached.has(shape)) continue;
    reached.add(shape);
    open.push(...shape.madeOf);
  }
  return [...reached].sort((left, right) => left.oid - right.oid);
}

/**
 * All types that are not built in, in the columns of {@link TypeRow}. 16384 is FirstNormalObjectId. citext compares what lower() makes of its
 * values with the locale of the database, so the query names the type by what that does: `citext` lowers letter by letter (libc; C.UTF-8 of
 * PostgreSQL 17), `citext_ascii` A to Z only (C), `citext_whole` whole texts (ICU; PG_UNICODE_FAST of PostgreSQL 18: ΑΣ becomes ας), and
 * `citext_local` has rules of its own (Turkish: I becomes ı).
 */
export const TYPE_CATALOG_SQL = `
  SELECT t.oid, t.typtype::text, t.typbasetype, CASE WHEN e.typarray = t.oid THEN t.typelem ELSE 0::oid END AS typelem,
         CASE WHEN t.typname = 'citext' THEN d.citext ELSE t.typname::text END AS typname, t.typdelim::text
    FROM (SELECT CASE WHEN l.provider IN ('c', 'b') AND l.locale IN ('C', 'POSIX') THEN 'citext_ascii'
                      WHEN l.locale ~* '^(tr|az|lt)([-_.@]|$)' THEN 'citext_local'
                      WHEN l.provider = 'i' OR l.provider = 'b' AND l.locale <> 'C.UTF-8' THEN 'citext_whole'
                      ELSE 'citext' END AS citext
            FROM (SELECT coalesce(to_jsonb(b) ->> 'datlocprovider', 'c') AS provider,
                         coalesce(to_jsonb(b) ->> 'datlocale', to_jsonb(b) ->> 'daticulocale', b.datctype) AS locale
                    FROM pg_catalog.pg_database b WHERE b.datname = current_database()) l) d
   CROSS JOIN pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
   WHERE t.oid >= 16384`;

/** The types that a type `t` consists of; 0 for none. */
const MADE_OF_SQL = `SELECT unnest(ARRAY[t.typbasetype, t.typelem]) AS oid
           UNION ALL
           SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
           UNION ALL
           SELECT r.rngsubtype FROM pg_catalog.pg_range AS r
            WHERE (t.typtype = 'r' AND r.rngtypid = t.oid)
               OR (t.typtype = 'm' AND to_jsonb(r) ->> 'rngmultitypid' = t.oid::text)`;

/** The types $1 and all that they consist of, in the columns of {@link TypeShape}. */
export const TYPE_SHAPES_SQL = `
  WITH RECURSIVE part AS (
    SELECT unnest($1::oid[]) AS oid
    UNION
    SELECT x.oid
      FROM part AS p JOIN pg_catalog.pg_type AS t ON t.oid = p.oid
     CROSS JOIN LATERAL (
           ${MADE_OF_SQL}) AS x
     WHERE x.oid <> 0)
  SELECT c.*, ARRAY(
           SELECT '+' || e.oid || '=' || e.enumlabel FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = c.oid
            UNION ALL
           SELECT '+by ' || e.oid || '=' || e.xmin FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = c.oid
            UNION ALL
           SELECT a.attnum || '=' || a.atttypid || ',' || a.atttypmod
             FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.typrelid
            WHERE t.oid = c.oid AND t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL SELECT 'printed by=' || t.typoutput::oid FROM pg_catalog.pg_type AS t WHERE t.oid = c.oid
            UNION ALL SELECT 'over=' || c.typbasetype || ',' || c.typelem
            ORDER BY 1) AS parts,
         ARRAY(SELECT x.oid::text FROM pg_catalog.pg_type AS t CROSS JOIN LATERAL (${MADE_OF_SQL}) AS x
                WHERE t.oid = c.oid AND x.oid <> 0) AS made_of
    FROM (${TYPE_CATALOG_SQL} AND t.oid = ANY (ARRAY(SELECT p.oid FROM part AS p))) AS c
   UNION ALL
  SELECT t.oid, t.typtype::text, t.typbasetype, 0::oid, t.typname::text, t.typdelim::text, ARRAY(
           SELECT CASE WHEN x.what = 'by' THEN '+by ' ELSE '+' END || named.oid || '=' || x.value
             FROM (
                    SELECT o.oid, o.oid::regclass::text AS name, y.xmin AS by, o.relnamespace AS namespace -- the row type bears the table's name
                      FROM pg_catalog.pg_class AS o LEFT JOIN pg_catalog.pg_type AS y ON y.oid = o.reltype WHERE t.oid = 2205
                     UNION ALL
                    SELECT o.oid, o.oid::regprocedure::text, o.xmin, o.pronamespace FROM pg_catalog.pg_proc AS o WHERE t.oid IN (24, 2202)
                     UNION ALL
                    SELECT o.oid, o.oid::regoperator::text, o.xmin, o.oprnamespace FROM pg_catalog.pg_operator AS o WHERE t.oid IN (2203, 2204)
                     UNION ALL
                    SELECT o.oid, o.oid::regtype::text, o.xmin, o.typnamespace FROM pg_catalog.pg_type AS o WHERE t.oid = 2206
                     UNION ALL
                    SELECT o.oid, o.oid::regnamespace::text, o.xmin, NULL FROM pg_catalog.pg_namespace AS o WHERE t.oid = 4089
                     UNION ALL
                    SELECT o.oid, o.rolname, NULL, NULL FROM pg_catalog.pg_roles AS o WHERE t.oid IN (4096, 1033)
                     UNION ALL
                    SELECT o.oid, o.oid::regconfig::text, o.xmin, o.cfgnamespace FROM pg_catalog.pg_ts_config AS o WHERE t.oid = 3734
                     UNION ALL
                    SELECT o.oid, o.oid::regdictionary::text, o.xmin, o.dictnamespace FROM pg_catalog.pg_ts_dict AS o WHERE t.oid = 3769
                     UNION ALL
                    SELECT o.oid, n.nspname || '.' || o.collname, o.xmin, o.collnamespace
                      FROM pg_catalog.pg_collation AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.collnamespace WHERE t.oid = 4191
                  ) AS named
             LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = named.namespace
            CROSS JOIN LATERAL (
                   VALUES ('name', named.name), ('by', concat_ws(',', named.by, n.xmin))) AS x (what, value)
            WHERE named.oid >= 16384 AND x.value <> ''
            ORDER BY 1), '{}'::text[]
    FROM part AS p JOIN pg_catalog.pg_type AS t ON t.oid = p.oid
   WHERE t.oid = ANY ('{24,2202,2203,2204,2205,2206,3734,3769,4089,4096,4191,1033}'::oid[])
   ORDER BY 1`;

const scalar = (name: string, rendering: Rendering = 'text', delimiter = ','): TypeKind => ({
  name,
  rendering,
  element: null,
  delimiter,
});

const CITEXT: ReadonlySet<string> = new Set(['citext', 'citext_ascii', 'citext_whole', 'citext_local']);
const UNKNOWN = scalar('unknown');
const COMPOSITE = scalar('composite');
const RANGE = scalar('range');

/** [OID, OID of the array type, kind]; OIDs of built-in types never change (src/include/catalog/pg_type.dat). */
const BUILT_IN: readonly (readonly [number, number, TypeKind])[] = [
  [16, 1000, scalar('bool', 'boolean')],
  [17, 1001, scalar('bytea')],
  [18, 1002, scalar('char')],
  [19, 1003, scalar('name')],
  [20, 1016, scalar('int8', 'number')],
  [21, 1005, scalar('int2', 'number')],
  [22, 1006, scalar('int2vector')],
  [23, 1007, scalar('int4', 'number')],
  [25, 1009, scalar('text')],
  [26, 1028, scalar('oid')],
  [27, 1010, scalar('tid')],
  [28, 1011, scalar('xid')],
  [29, 1012, scalar('cid')],
  [30, 1013, scalar('oidvector')],
  [114, 199, scalar('json', 'json')],
  [142, 143, scalar('xml')],
  [600, 1017, scalar('point')],
  [601, 1018, scalar('lseg')],
  [602, 1019, scalar('path')],
  [603, 1020, scalar('box', 'text', ';')],
  [604, 1027, scalar('polygon')],
  [628, 629, scalar('line')],
  [650, 651, scalar('cidr')],
  [700, 1021, scalar('float4', 'number')],
  [701, 1022, scalar('float8', 'number')],
  [718, 719, scalar('circle')],
  [774, 775, scalar('macaddr8')],
  [790, 791, scalar('money')],
  [829, 1040, scalar('macaddr')],
  [869, 1041, scalar('inet')],
  [1033, 1034, scalar('aclitem')],
  [1042, 1014, scalar('bpchar')],
  [1043, 1015, scalar('varchar')],
  [1082, 1182, scalar('date')],
  [1083, 1183, scalar('time')],
  [1114, 1115, scalar('timestamp', 'timestamp')],
  [1184, 1185, scalar('timestamptz', 'timestamptz')],
  [1186, 1187, scalar('interval')],
  [1266, 1270, scalar('timetz')],
  [1560, 1561, scalar('bit')],
  [1562, 1563, scalar('varbit')],
  [1700, 1231, scalar('numeric', 'number')],
  [1790, 2201, scalar('refcursor')],
  [2950, 2951, scalar('uuid')],
  [2970, 2949, scalar('txid_snapshot')],
  [3220, 3221, scalar('pg_lsn')],
  [3614, 3643, scalar('tsvector')],
  [3615, 3645, scalar('tsquery')],
  [3802, 3807, scalar('jsonb', 'json')],
  [3904, 3905, RANGE],
  [3906, 3907, RANGE],
  [3908, 3909, RANGE],
  [3910, 3911, RANGE],
  [3912, 3913, RANGE],
  [3926, 3927, RANGE],
  [4072, 4073, scalar('jsonpath')],
  [4451, 6150, RANGE],
  [4532, 6151, RANGE],
  [4533, 6152, RANGE],
  [4534, 6153, RANGE],
  [4535, 6155, RANGE],
  [4536, 6157, RANGE],
  [5038, 5039, scalar('pg_snapshot')],
  [5069, 271, scalar('xid8')],
];

const BUILT_IN_BY_OID: ReadonlyMap<number, TypeKind> = new Map(
  BUILT_IN.flatMap(([oid, arrayOid, kind]) => [
    [oid, kind],
    [arrayOid, arrayOf(kind)],
  ]),
);

/** The types of one database: the built-in ones and those of `rows` (see {@link TYPE_CATALOG_SQL}). */
export function createTypeCatalog(rows: readonly TypeRow[]): TypeCatalog {
  const rowByOid = new Map(rows.map((row) => [row.oid, row]));
  const known = new Map(BUILT_IN_BY_OID);
  const find = (oid: number): TypeKind => {
    const found = known.get(oid);
    if (found !== undefined) return found;
    const row = rowByOid.get(oid);
    const kind = row === undefined ? UNKNOWN : userKind(row, find);
    known.set(oid, kind);
    return kind;
  };
  return find;
}

function userKind(row: TypeRow, find: TypeCatalog): TypeKind {
  if (row.typtype === 'd') return find(row.typbasetype);
  if (row.typtype === 'e') return scalar('enum');
  if (row.typtype === 'c') return COMPOSITE;
  if (row.typtype === 'r' || row.typtype === 'm') return RANGE;
  if (row.typelem !== 0) return arrayOf(find(row.typelem), row.typdelim);
  return scalar(CITEXT.has(row.typname) ? row.typname : 'other', 'text', row.typdelim);
}

/** Arrays of composites and of (domains over) arrays stay text: a nested JSON array would be ambiguous. */
function arrayOf(element: TypeKind, delimiter = element.delimiter): TypeKind {
  const asText = element.name === 'composite' || element.name === 'array' || element.name === 'unknown';
  return { name: 'array', rendering: asText ? 'text' : 'array', element: asText ? null : element, delimiter };
}
