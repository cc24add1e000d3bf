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

/** Of all rows of a table, by a column. */
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
  readonly order: Order | null;
  readonly sortBy: (column: string) => void;
}

export function Rows({ node, table, keyColumns, first, path, parameters, order, sortBy }: RowsProperties) {
  const more = useMore(first, (cursor) =>
    ask<TableRows>(path, { ...parameters, at: undefined, cursor, ...ordered(order) }),
  );
  const { next } = more;
  const rows = [...first.rows, ...more.pages.flatMap((page) => page.rows)];
  const shown = order === null ? rows.toSorted(byKey(keyColumns)) : rows;
  const isFiltered = Object.keys(parameters).some((name) => name.startsWith('where.'));
  return (
    <>
      <KnownUpTo frame={{ from: null, to: null, horizon: first.horizon, final: first.final, unknown: [] }} />
      {rows.length === 0 && (
        <p class="message">No row{isFiltered ? ' has this value.' : ': the table was empty.'}</p>
      )}
      {rows.length > 0 && (
        <Grid
          {...{ node, table, keyColumns, order, sortBy }}
          columns={first.columns}
          rows={shown}
          sorted={order?.by ?? (next === null ? keyColumns[0] : undefined)}
        />
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

/** The parameters that ask for an order. */
export function ordered(order: Order | null): Parameters {
  return { order: order?.by, descending: order?.isDescending ? 'true' : undefined };
}

interface GridProperties extends Pick<RowsProperties, 'node' | 'table' | 'keyColumns' | 'order' | 'sortBy'> {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  readonly sorted: string | undefined;
}

function Grid({ node, table, keyColumns, order, sortBy, columns, rows, sorted }: GridProperties) {
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
              <th key={name} scope="col" aria-sort={sorted === name ? direction : undefined}>
                {name.includes(',') ? (
                  <PlainText text={name} cut={63} /> // the API could not tell it from two columns
                ) : (
                  <button type="button" class="sort" onClick={() => sortBy(name)}>
                    <PlainText text={name} cut={63} />
                    {sorted === name && (order?.isDescending ? ' ↓' : ' ↑')}
                  </button>
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
