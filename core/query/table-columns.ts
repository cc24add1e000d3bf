/**
 * The columns of a whole table as of an instant: the present columns of the table, in their order, and the names under which
 * rows of the history have their values. The rule is that of with_names(): if it is uncertain which column a value belongs to,
 * the value is not known. Pure.
 *
 * Excluded columns are left out, and generated ones unless they are named, like COPY does.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { jsonMembers } from '../types/json-text.ts';
import { LSN_ZERO, type Lsn, tryParseLsn } from '../types/lsn.ts';
import type { TypeCatalog, TypeKind } from '../types/pg-types.ts';

/** A column as `relation_periods.columns` has it. */
export interface StoredColumnFacts {
  readonly attnum: number;
  readonly name: string;
  readonly type_oid: number;
  readonly type_name: string;
  readonly since_lsn: string;
  readonly former_names?: readonly {
    readonly name: string;
    readonly since_lsn: string;
    readonly until_lsn: string;
  }[];
}

/** A name that a column had for rows that were written after `since`, up to `until` (null: so far). */
interface ColumnName {
  readonly name: string;
  readonly since: Lsn;
  readonly until: Lsn | null;
}

export interface TableColumn {
  readonly name: string;
  readonly typeOid: number;
  /** In the form of format_type(). */
  readonly typeName: string;
  readonly kind: TypeKind;
  /** The position at which the column was added: older rows have NULL. */
  readonly since: Lsn;
  readonly names: readonly ColumnName[];
}

/**
 * The value of a column in a row: JSON text (also of the JSON value null), or null for NULL, and for a row that is older than
 * the column.
 */
export type Cell = string | null;

/** A row as table_rows() returns it. */
export interface StoredRow {
  readonly rowText: string;
  readonly writtenLsn: string;
  /** For a row that was read from the table. */
  readonly readLsn: string | null;
  readonly incomplete: readonly string[] | null;
  /** Names under which a `null` is JSON null. */
  readonly jsonNulls: readonly string[] | null;
}

export interface ColumnChoice {
  readonly table: string;
  readonly columns: readonly StoredColumnFacts[];
  readonly keyColumns: readonly string[];
  readonly excluded: readonly string[];
  /** Names of columns that the server computes. */
  readonly generated: readonly string[];
  /** The generated columns at the instant that no row has, because they are virtual. */
  readonly virtual: readonly string[];
  /** null: all columns. */
  readonly asked: readonly string[] | null;
  /** Columns that a filter names, by their present or former names: a row whose value is unknown may or may not have passed it. */
  readonly filtered: readonly string[];
  readonly types: TypeCatalog;
}

/** The values that a row has for the columns. */
export interface RowCells {
  /** In the order of the columns. */
  readonly cells: readonly Cell[];
  /** Columns whose values are not known. */
  readonly unknown: readonly string[];
  /** Names of values that belong to no present column. */
  readonly dropped: readonly string[];
}

/** Finds the values of columns in rows of the history. */
export class TableColumns {
  /** In the order of the table, or in the requested order. */
  readonly columns: readonly TableColumn[];
  /** The columns, and those of the filter: whose values must be known. */
  readonly #judged: readonly TableColumn[];
  /** Every column of the table. Names that belong to none of them are those of removed columns. */
  readonly #all: readonly TableColumn[];
  readonly #names: ReadonlySet<string>;
  /** In rows that were written later, every column has its present name. */
  readonly #settledAfter: Lsn;

  /** Throws BAD_FLAGS for a column that the table does not have or that is excluded, VALUES_UNKNOWN for a virtual one. */
  constructor(choice: ColumnChoice) {
    const all = allColumns(choice);
    this.#all = all;
    this.#names = new Set(all.map(({ name }) => name));
    this.#settledAfter = lastPosition(all);
    if (choice.asked === null) {
      const left = new Set([...choice.excluded, ...choice.generated, ...choice.virtual]);
      this.columns = all.filter(({ name }) => !left.has(name));
    } else this.columns = choice.asked.map((name) => askedColumn(choice, all, name));
    const filtered = all.filter(({ names }) => names.some(({ name }) => choice.filtered.includes(name)));
    for (const { name } of filtered) refuseVirtual(choice, name);
    this.#judged = [...this.columns, ...filtered.filter((column) => !this.columns.includes(column))];
  }

  /** Columns that were added after a position: every row of that time has NULL there. */
  addedAfter(lsn: string): string[] {
    const position = tryParseLsn(lsn) ?? LSN_ZERO;
    return this.columns.filter(({ since }) => since > position).map(({ name }) => name);
  }

  cells(row: StoredRow): RowCells {
    const { members } = jsonMembers(row.rowText, 0);
    if (this.#settledAfter > LSN_ZERO) {
      const written = tryParseLsn(row.writtenLsn) ?? LSN_ZERO;
      if (written <= this.#settledAfter) return this.#earlierCells(row, written, members);
    }
    const { incomplete } = row;
    const dropped: string[] = [];
    for (const name of members.keys()) if (!this.#names.has(name)) dropped.push(name);
    return {
      cells: this.columns.map(({ name }) => cellOf(row, members, name)),
      unknown:
        incomplete === null
          ? []
          : this.#judged.filter(({ name }) => incomplete.includes(name)).map(({ name }) => name),
      dropped,
    };
  }

  /**
   * The values of a row that may have other names, found by the names that each column may have had when the row was written or
   * read.
   */
  #earlierCells(row: StoredRow, written: Lsn, members: ReadonlyMap<string, string>): RowCells {
    const readUpto = (row.readLsn === null ? null : tryParseLsn(row.readLsn)) ?? written;
    const had = new Map(
      this.#all.map((column) => [
        column.name,
        column.names
          .filter(({ since, until }) => since < readUpto && (until === null || written <= until))
          .map(({ name }) => name),
      ]),
    );
    const holders = new Map<string, number>();
    for (const names of had.values())
      for (const name of new Set(names)) holders.set(name, (holders.get(name) ?? 0) + 1);
    const unknown: string[] = [];
    const cells = this.#judged.map((column) => {
      const names = had.get(column.name)!;
      const held = [...new Set(names)].filter((name) => members.has(name));
      const [only] = held;
      if (names.some((name) => row.incomplete?.includes(name) === true)) unknown.push(column.name);
      else if (held.length > 1 || (only !== undefined && holders.get(only)! > 1)) unknown.push(column.name);
      else if (only !== undefined) return cellOf(row, members, only);
      // the value under the column's name belongs to another column, or the column had another name
      else if (members.has(column.name) && !holders.has(column.name)) unknown.push(column.name);
      else if (column.names.length > 1 && column.since < readUpto) unknown.push(column.name);
      return null;
    });
    const dropped = [...members.keys()].filter((name) => !holders.has(name));
    return { cells: cells.slice(0, this.columns.length), unknown, dropped };
  }
}

function cellOf(row: StoredRow, members: ReadonlyMap<string, string>, name: string): Cell {
  const json = members.get(name);
  if (json === undefined) return null;
  // a json value keeps the white space around it
  return json.trim() === 'null' && row.jsonNulls?.includes(name) !== true ? null : json;
}

/** The last position at which a column got a name. */
function lastPosition(columns: readonly TableColumn[]): Lsn {
  let last = LSN_ZERO;
  for (const { names } of columns)
    for (const { since, until } of names)
      for (const each of [since, until ?? since]) if (each > last) last = each;
  return last;
}

function allColumns({ columns, keyColumns, types }: ColumnChoice): TableColumn[] {
  const lsn = (text: string): Lsn => tryParseLsn(text) ?? LSN_ZERO;
  if (columns.length === 0) return keyColumns.map((name) => plainColumn(name, types));
  return [...columns]
    .sort((left, right) => left.attnum - right.attnum)
    .map((column) => {
      const former = (column.former_names ?? []).map((was) => ({
        name: was.name,
        since: lsn(was.since_lsn),
        until: lsn(was.until_lsn),
      }));
      const now = { name: column.name, since: lsn(column.since_lsn), until: null };
      return {
        name: column.name,
        typeOid: column.type_oid,
        typeName: column.type_name,
        kind: types(column.type_oid),
        since: former[0]?.since ?? now.since,
        names: [...former, now],
      };
    });
}

const TEXT_OID = 25;

function plainColumn(name: string, types: TypeCatalog): TableColumn {
  return {
    name,
    typeOid: TEXT_OID,
    typeName: 'text',
    kind: types(TEXT_OID),
    since: LSN_ZERO,
    names: [{ name, since: LSN_ZERO, until: null }],
  };
}

function askedColumn(choice: ColumnChoice, all: readonly TableColumn[], name: string): TableColumn {
  const { table, excluded } = choice;
  if (excluded.includes(name))
    throw new TimewarpError('BAD_FLAGS', `The column ${name} of ${table} is excluded from the history.`, {
      remedy: 'Its values are not stored. Ask for other columns.',
    });
  refuseVirtual(choice, name);
  const found = all.find((column) => column.name === name);
  if (found !== undefined) return found;
  throw new TimewarpError('BAD_FLAGS', `${table} has no column ${name}.`, {
    remedy: `Its columns: ${all.map((column) => column.name).join(', ')}.`,
  });
}

/** Throws VALUES_UNKNOWN. */
function refuseVirtual({ table, virtual }: ColumnChoice, name: string): void {
  if (!virtual.includes(name)) return;
  throw new TimewarpError(
    'VALUES_UNKNOWN',
    `The column ${name} of ${table} is a virtual generated column: no row of the history has its values.`,
    { facts: { columns: [name] }, remedy: 'Ask for other columns.' },
  );
}
