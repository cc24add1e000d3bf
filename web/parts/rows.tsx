/** The rows of a table, as far as somebody has asked for them; its columns sort all of them. */
import { pathTo } from '../address.ts';
import { ask, type Parameters } from '../client.ts';
import type { Row, TableRows } from '../documents.ts';
import { useMore } from '../use-more.ts';
import { byKey } from './key-order.ts';
import { MoreButton } from './more-button.tsx';
import { KnownUpTo, Link } from './parts.tsx';
import { PlainText } from './plain-text.tsx';
import { plainValue, Value } from './value.tsx';

/** Of rows, by a column. */
export interface Order {
  readonly by: string;
  readonly isDescending: boolean;
}

interface RowsProperties {
  readonly node: string;
  readonly table: string;
  readonly keyColumns: readonly string[];
  readonly first: TableRows;
  readonly path: string;
  readonly parameters: Parameters;
  /** Of all rows of the table; null: that of the texts of their keys. */
  readonly order: Order | null;
  readonly sortBy: (order: Order) => void;
}

export function Rows({ node, table, keyColumns, first, path, parameters, order, sortBy }: RowsProperties) {
  const more = useMore(first, (cursor) =>
    ask<TableRows>(path, { ...parameters, at: undefined, cursor, ...ordered(order) }),
  );
  const { next } = more;
  const rows = [...first.rows, ...more.pages.flatMap((page) => page.rows)];
  const shown = order === null ? rows.toSorted(byKey(keyColumns)) : rows;
  const [by] = keyColumns;
  // all rows are there: then the key sorts them without the API
  const seen = order ?? (next === null && by !== undefined ? { by, isDescending: false } : null);
  return (
    <>
      <KnownUpTo frame={{ from: null, to: null, horizon: first.horizon, final: first.final, unknown: [] }} />
      {rows.length === 0 && (
        <p class="message">No row{isFiltered(parameters) ? ' has this value.' : ': the table was empty.'}</p>
      )}
      {rows.length > 0 && (
        <Grid {...{ node, table, keyColumns, sortBy }} columns={first.columns} rows={shown} order={seen} />
      )}
      <p class="note">
        {rows.length.toLocaleString('en')} {rows.length === 1 ? 'row' : 'rows'}
        {next === null ? '' : ' so far'}, as of <span class="number">{first.as_of.lsn}</span>
        {next !== null &&
          order === null &&
          '. Others, which come by the text of their keys, may belong between them: a column sorts all rows.'}
      </p>
      <MoreButton more={more} label="More rows" />
    </>
  );
}

/** The parameters that ask for an order, of the API and of the view. */
export function ordered(order: Order | null): Parameters {
  return { order: order?.by, descending: order?.isDescending ? 'true' : undefined };
}

/** Whether the API can sort by the column: it could not tell a name with a comma from two names. */
export const canSort = (column: string): boolean => !column.includes(',');

/** Whether they ask for the rows with a value only. */
export const isFiltered = (parameters: Parameters): boolean =>
  Object.keys(parameters).some((name) => name.startsWith('where.'));

interface GridProperties extends Pick<RowsProperties, 'node' | 'table' | 'keyColumns' | 'sortBy'> {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** In which the rows are; null: in none that a column names. */
  readonly order: Order | null;
}

function Grid({ node, table, keyColumns, order, sortBy, columns, rows }: GridProperties) {
  const direction = order?.isDescending ? 'descending' : 'ascending';
  const pathOf = (row: Row): string =>
    pathTo(node, 'row', {
      table,
      pk: JSON.stringify(Object.fromEntries(keyColumns.map((name) => [name, plainValue(row[name])]))),
      at: undefined,
    });
  return (
    <div class="scroll tall" tabIndex={0} role="region" aria-label={`Rows of ${table}`}>
      <table class="grid rows">
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col" aria-sort={order?.by === name ? direction : undefined}>
                {canSort(name) ? (
                  <button
                    type="button"
                    class="sort"
                    onClick={() =>
                      sortBy({ by: name, isDescending: order?.by === name && !order.isDescending })
                    }
                  >
                    <PlainText text={name} cut={63} />
                    {order?.by === name && (order.isDescending ? ' ↓' : ' ↑')}
                  </button>
                ) : (
                  <PlainText text={name} cut={63} />
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {columns.map((name) => (
                <td key={name}>
                  {keyColumns.includes(name) ? (
                    <Link to={pathOf(row)}>
                      <Value value={row[name]} cut={60} />
                    </Link>
                  ) : (
                    <Value value={row[name]} cut={60} />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
