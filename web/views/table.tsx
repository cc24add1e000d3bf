/** A whole table as of an instant: its rows, a slider over its commits, CSV, and what has become of the rows since. */
import { useState } from 'preact/hooks';
import { go, pathTo } from '../address.ts';
import { ask } from '../client.ts';
import type { Point, Row, Table, TableChanges, TableRows, Transactions } from '../documents.ts';
import { downloadCsv } from '../parts/csv.ts';
import { Differences } from '../parts/differences.tsx';
import { byKey } from '../parts/key-order.ts';
import { Moment } from '../parts/moment.tsx';
import { Newer, useNews } from '../parts/newer.tsx';
import { KnownUpTo, Link, Loading, Operation, Problem } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { KeyText, plainValue, Value } from '../parts/value.tsx';
import { useAnswer } from '../use-answer.ts';

type Query = Readonly<Record<string, string>>;

interface TableViewProperties {
  readonly node: string;
  readonly horizon: Point | null;
  readonly query: Query;
}

export function TableView({ node, horizon, query }: TableViewProperties) {
  const { table = '', at, column, value, compare } = query;
  const path = `/v1/nodes/${node}/tables/${encodeURIComponent(table)}`;
  const { answer: known } = useAnswer<{ tables: readonly Table[] }>(`/v1/nodes/${node}/tables`);
  const key = known?.tables.find(({ segment }) => segment === table)?.key ?? [];
  const filter = column && value !== undefined ? { [`where.${column}`]: value } : {};
  const parameters = { at, ...filter, limit: '200' };
  const [again, setAgain] = useState(0);
  const asked = useAnswer<TableRows>(compare === 'now' ? null : `${path}/rows`, parameters, { again });
  // a table as of a time does not change, a table as of now does
  const news = useNews({ node, horizon }, at === undefined ? asked.answer : null, { table });
  const show = (change: Readonly<Record<string, string | undefined>>, replace = false): void =>
    go(pathTo(node, 'table', { ...query, ...change }), { replace });
  const isComparing = compare === 'now' && at !== undefined;
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
            onClick={() =>
              void downloadCsv(`${path}/rows`, { ...parameters, at: asked.answer?.as_of.lsn }, table)
            }
          >
            Download CSV
          </button>
        </div>
      </form>
      {isComparing ? (
        <NetChanges node={node} table={table} path={path} at={at} />
      ) : (
        <>
          <Problem problem={asked.problem} />
          <Loading when={asked.isLoading} />
          <Newer news={news} show={() => setAgain(again + 1)} />
          {asked.answer && (
            <Rows
              key={`${at} ${column} ${value} ${again}`}
              node={node}
              table={table}
              keyColumns={key}
              first={asked.answer}
              path={`${path}/rows`}
              parameters={parameters}
            />
          )}
        </>
      )}
    </>
  );
}

interface SliderProperties {
  readonly node: string;
  readonly table: string;
  readonly at: string | undefined;
  readonly choose: (lsn: string | undefined) => void;
}

/** The newest commits that touched the table; the right end is now. */
function CommitSlider({ node, table, at, choose }: SliderProperties) {
  const { answer } = useAnswer<Transactions>(`/v1/nodes/${node}/transactions`, { table, limit: '200' });
  if (answer === null || answer.transactions.length === 0) return null;
  const commits = answer.transactions.toReversed();
  const named = commits.findIndex(({ lsn }) => lsn === at);
  const place = at === undefined ? commits.length : named;
  const commit = commits[place];
  return (
    <div class="slider">
      <label>
        <span>
          As of{' '}
          {at === undefined ? (
            <b>now</b>
          ) : commit ? (
            <>
              commit <Moment ts={commit.ts} />
            </>
          ) : (
            <b>{at}</b>
          )}
        </span>
        <input
          type="range"
          min={0}
          max={commits.length}
          step={1}
          value={Math.max(0, place)}
          aria-valuetext={commit?.ts ?? at ?? 'now'}
          onInput={(event) => choose(commits[event.currentTarget.valueAsNumber]?.lsn)}
        />
      </label>
      <p class="note">
        {commits.length === 1 ? 'The one commit' : `The last ${commits.length} commits`} that touched the
        table, then now.
        {answer.next !== null && ' Older ones: name a time below.'}
      </p>
    </div>
  );
}

interface RowsProperties {
  readonly node: string;
  readonly table: string;
  readonly keyColumns: readonly string[];
  readonly first: TableRows;
  readonly path: string;
  readonly parameters: Query | Readonly<Record<string, string | undefined>>;
}

function Rows({ node, table, keyColumns, first, path, parameters }: RowsProperties) {
  const [more, setMore] = useState<readonly TableRows[]>([]);
  const [isDescending, setDescending] = useState(false);
  const next = (more.at(-1) ?? first).next;
  const rows = [...first.rows, ...more.flatMap((page) => page.rows)];
  const sorted = rows.toSorted(byKey(keyColumns));
  const shown = isDescending ? sorted.reverse() : sorted;
  const rowPath = (row: Row): string =>
    pathTo(node, 'row', {
      table,
      pk: JSON.stringify(Object.fromEntries(keyColumns.map((name) => [name, plainValue(row[name])]))),
      at: undefined,
    });
  return (
    <>
      <KnownUpTo frame={{ from: null, to: null, horizon: first.horizon, final: first.final, unknown: [] }} />
      {rows.length === 0 && (
        <p class="message">
          No row
          {Object.keys(parameters).some((name) => name.startsWith('where.'))
            ? ' has this value.'
            : ': the table was empty.'}
        </p>
      )}
      {rows.length > 0 && (
        <div class="scroll tall" tabIndex={0} role="region" aria-label={`Rows of ${table}`}>
          <table class="grid rows">
            <thead>
              <tr>
                {first.columns.map((name) => (
                  <th
                    key={name}
                    scope="col"
                    aria-sort={
                      keyColumns[0] === name ? (isDescending ? 'descending' : 'ascending') : undefined
                    }
                  >
                    {keyColumns[0] === name ? (
                      <button type="button" class="sort" onClick={() => setDescending(!isDescending)}>
                        <PlainText text={name} cut={63} /> {isDescending ? '↓' : '↑'}
                      </button>
                    ) : (
                      <PlainText text={name} cut={63} />
                    )}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map((row, index) => (
                <tr key={index}>
                  {first.columns.map((name) => (
                    <td key={name}>
                      {keyColumns.includes(name) ? (
                        <Link to={rowPath(row)}>
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
      )}
      <p class="note">
        {rows.length.toLocaleString('en')} rows{next === null ? '' : ' so far'}, as of{' '}
        <span class="number">{first.as_of.lsn}</span>
        {next !== null &&
          '. Only these are sorted by key: others, which come by the text of their keys, may belong between them.'}
      </p>
      {next !== null && (
        <button
          type="button"
          onClick={() =>
            void ask<TableRows>(path, { ...parameters, at: undefined, cursor: next }).then((page) =>
              setMore([...more, page]),
            )
          }
        >
          More rows
        </button>
      )}
    </>
  );
}

function NetChanges({
  node,
  table,
  path,
  at,
}: {
  readonly node: string;
  readonly table: string;
  readonly path: string;
  readonly at: string;
}) {
  const { answer, problem, isLoading } = useAnswer<TableChanges>(`${path}/changes`, {
    from: at,
    net: 'true',
    limit: '200',
  });
  return (
    <>
      <h2>What became of each row since then</h2>
      <Problem problem={problem} />
      <KnownUpTo frame={answer} />
      <Loading when={isLoading} />
      {answer !== null && answer.changes.length === 0 && <p class="message">No row differs from now.</p>}
      <ol class="changes">
        {answer?.changes.map((change) => (
          <li key={JSON.stringify(change.pk)}>
            <article class="change">
              <header>
                <Operation op={change.op} />
                <Link to={pathTo(node, 'row', { table, pk: JSON.stringify(change.pk), at: change.lsn })}>
                  <KeyText pk={change.pk} />
                </Link>
              </header>
              <Differences
                before={change.before}
                after={change.after}
                labels={['then', 'now']}
                {...(change.incomplete ? { unknown: change.incomplete } : {})}
              />
            </article>
          </li>
        ))}
      </ol>
      {answer?.next && <p class="note">The first 200 rows that differ.</p>}
    </>
  );
}
