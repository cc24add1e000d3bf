/** A whole table as of an instant: its rows, a slider over its commits, CSV, and what has become of the rows since. */
import { useState } from 'preact/hooks';
import { go, pathTo } from '../address.ts';
import type { Parameters, Refused } from '../client.ts';
import type { Point, Table, TableRows } from '../documents.ts';
import { CommitSlider } from '../parts/commit-slider.tsx';
import { downloadCsv } from '../parts/csv.ts';
import { isWholeNumber } from '../parts/key-order.ts';
import { NetChanges } from '../parts/net-changes.tsx';
import { Newer, useNews } from '../parts/newer.tsx';
import { Link, Loading, Problem } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { canSort, isFiltered, type Order, ordered, Rows } from '../parts/rows.tsx';
import { type Asked, refusal, useAnswer } from '../use-answer.ts';

type Query = Readonly<Record<string, string>>;

interface TableViewProperties {
  readonly node: string;
  readonly horizon: Point | null;
  readonly query: Query;
}

export function TableView({ node, horizon, query }: TableViewProperties) {
  const { table = '', at, column, value, compare, order: by, descending } = query;
  const path = `/v1/nodes/${node}/tables/${encodeURIComponent(table)}`;
  const { answer: known } = useAnswer<{ tables: readonly Table[] }>(`/v1/nodes/${node}/tables`);
  const key = known?.tables.find(({ segment }) => segment === table)?.key ?? [];
  const filter = column && value !== undefined ? { [`where.${column}`]: value } : {};
  const parameters = { at, ...filter, limit: '200' };
  const [again, setAgain] = useState(0);
  const [unsaved, setUnsaved] = useState<Unsaved | null>(null);
  const isComparing = compare === 'now' && at !== undefined;
  const asked = useRows(isComparing ? null : `${path}/rows`, {
    ...{ parameters, again, key },
    order: by === undefined ? null : { by, isDescending: descending === 'true' },
  });
  const { order } = asked;
  // a table as of a time does not change, a table as of now does
  const news = useNews({ node, horizon }, at === undefined ? asked.answer : null, { table });
  const show = (change: Readonly<Record<string, string | undefined>>, replace = false): void =>
    go(pathTo(node, 'table', { ...query, ...change }), { replace });
  const save = (rows: TableRows): Promise<void> =>
    downloadCsv(`${path}/rows`, { ...parameters, at: rows.as_of.lsn }, table).then(
      () => setUnsaved(null),
      (error) => setUnsaved({ rows, problem: refusal(error) }),
    );
  return (
    <>
      <p class="path">
        <Link to={pathTo(node, 'tables')}>Tables</Link>
      </p>
      <h1>
        <PlainText text={table} cut={130} />
      </h1>
      <CommitSlider
        key={again}
        node={node}
        table={table}
        at={at}
        choose={(lsn) => show({ at: lsn, compare: lsn === undefined ? undefined : compare }, true)}
      />
      <form
        class="filters"
        key={JSON.stringify(query)}
        aria-label="Rows"
        onSubmit={(event) => {
          event.preventDefault();
          const given = new FormData(event.currentTarget);
          const text = (name: string): string => String(given.get(name) ?? '').trim();
          show({
            at: text('at'),
            column: text('column'),
            value: text('column') === '' ? undefined : text('value'),
            compare: undefined,
          });
        }}
      >
        <label>
          As of
          <input name="at" defaultValue={at ?? ''} placeholder="now; or a time or LSN" />
        </label>
        <label>
          Column
          <input name="column" defaultValue={column ?? ''} list="columns" />
          <datalist id="columns">
            {asked.answer?.columns.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </label>
        <label>
          Value
          <input name="value" defaultValue={value ?? ''} />
        </label>
        <div class="buttons">
          <button type="submit" class="main">
            Show
          </button>
          <button
            type="button"
            disabled={at === undefined}
            onClick={() => show({ compare: isComparing ? undefined : 'now' })}
          >
            {isComparing ? 'Rows' : 'Compare with now'}
          </button>
          <button
            type="button"
            disabled={asked.answer === null}
            onClick={() => asked.answer && void save(asked.answer)}
          >
            Download CSV
          </button>
        </div>
      </form>
      {isComparing ? (
        <NetChanges node={node} table={table} path={path} at={at} horizon={horizon} />
      ) : (
        <>
          <Problem problem={asked.problem ?? (unsaved?.rows === asked.answer ? unsaved.problem : null)} />
          <Loading when={asked.isLoading} />
          <Newer news={news} show={() => setAgain(again + 1)} />
          {asked.answer && (
            <Rows
              node={node}
              table={table}
              keyColumns={key}
              first={asked.answer}
              path={`${path}/rows`}
              parameters={parameters}
              order={order}
              sortBy={(chosen) => show(ordered(chosen))}
            />
          )}
        </>
      )}
    </>
  );
}

/** Rows that a download could not save, and why. */
interface Unsaved {
  readonly rows: TableRows;
  readonly problem: Refused;
}

interface RowsAsked extends Asked<TableRows> {
  /** Of all rows of the table; null: that of the texts of their keys. */
  readonly order: Order | null;
}

interface RowsQuestion {
  readonly parameters: Parameters;
  /** What somebody has chosen. */
  readonly order: Order | null;
  readonly key: readonly string[];
  readonly again: number;
}

/**
 * The first rows. A table of more than a page whose key is a number is shown in the order of numbers, if the store can give it; any
 * other one in an order that somebody has chosen, because the store reads the whole table for it.
 */
function useRows(path: string | null, { parameters, order, key, again }: RowsQuestion): RowsAsked {
  const plain = useAnswer<TableRows>(order === null ? path : null, parameters, { again });
  const [name] = key;
  const isNumbered =
    name !== undefined &&
    key.length === 1 &&
    canSort(name) &&
    !isFiltered(parameters) &&
    plain.answer !== null &&
    plain.answer.next !== null &&
    plain.answer.rows.every((row) => isWholeNumber(row[name] ?? null));
  const by = order ?? (isNumbered ? { by: name, isDescending: false } : null);
  const sorted = useAnswer<TableRows>(
    by === null ? null : path,
    { ...parameters, ...ordered(by) },
    { again },
  );
  // nobody has chosen this order: without it, there are still the rows
  const isGivenUp = order === null && sorted.problem !== null;
  return by === null || isGivenUp ? { ...plain, order: null } : { ...sorted, order: by };
}
