/** Finds rows: by key, or by the value of a column, now or at any time. */
import { useState } from 'preact/hooks';
import { go, pathTo } from '../address.ts';
import type { Found, NodeDocument, Table } from '../documents.ts';
import { Moment } from '../parts/moment.tsx';
import { Newer, useNews } from '../parts/newer.tsx';
import { KnownUpTo, Link, Loading, Problem } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { KeyText, Value } from '../parts/value.tsx';
import { useAnswer } from '../use-answer.ts';

type Query = Readonly<Record<string, string>>;

export function SearchView({ node: of, query }: { readonly node: NodeDocument; readonly query: Query }) {
  const { node, horizon } = of;
  const [again, setAgain] = useState(0);
  const { table = '', column = '', value, when = 'now' } = query;
  const { answer: known } = useAnswer<{ tables: readonly Table[] }>(`/v1/nodes/${node}/tables`);
  const chosen = known?.tables.find(({ segment }) => segment === table);
  const isAsked = table !== '' && column !== '' && value !== undefined;
  const from = when === 'ever' ? chosen?.tracked_from?.lsn : undefined;
  const isReady = isAsked && (when === 'now' || known !== null);
  const path = isReady ? `/v1/nodes/${node}/tables/${encodeURIComponent(table)}/find` : null;
  const { answer, problem, isLoading } = useAnswer<Found>(
    path,
    { [`where.${column}`]: value, from, limit: '200' },
    { again },
  );
  const news = useNews({ node, horizon }, answer, { table });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(given.get(name) ?? '');
    const of = known?.tables.find(({ segment }) => segment === text('table'));
    if (text('column') === '') {
      // a key of several columns is written as JSON; the view of the row says how if it is not
      const [only] = of?.key.length === 1 ? of.key : [];
      const pk = only === undefined ? text('value') : JSON.stringify({ [only]: text('value') });
      go(pathTo(node, 'row', { table: text('table'), pk }));
      return;
    }
    const asked = { table: text('table'), column: text('column'), when: text('when'), value: text('value') };
    go(pathTo(node, 'search', asked));
  };
  return (
    <>
      <h1>Search</h1>
      <form
        class="filters"
        key={`${JSON.stringify(query)} ${known !== null}`}
        onSubmit={submit}
        aria-label="Search"
      >
        <label>
          Table
          <select name="table" required defaultValue={table}>
            {known?.tables.map(({ segment }) => (
              <option key={segment} value={segment} selected={segment === table}>
                {segment}
              </option>
            ))}
          </select>
        </label>
        <label>
          Column
          <input name="column" defaultValue={column} placeholder="the key" />
        </label>
        <label>
          Value
          <input name="value" defaultValue={value ?? ''} />
        </label>
        <label>
          When
          <select name="when" defaultValue={when}>
            <option value="now" selected={when === 'now'}>
              now
            </option>
            <option value="ever" selected={when === 'ever'}>
              at any time
            </option>
          </select>
        </label>
        <div class="buttons">
          <button type="submit" class="main">
            Search
          </button>
        </div>
      </form>
      <p class="note">Without a column, the value is the key of the row, and its timeline opens.</p>
      {isAsked && (
        <>
          <Problem problem={problem} />
          <KnownUpTo frame={answer} />
          <Loading when={isLoading} />
          <Newer news={news} show={() => setAgain(again + 1)} />
          {answer !== null && answer.rows.length === 0 && <p class="message">No row had this value.</p>}
          {answer !== null && answer.rows.length > 0 && (
            <div class="scroll" tabIndex={0} role="region" aria-label="Rows that were found">
              <table class="grid">
                <thead>
                  <tr>
                    <th scope="col">row</th>
                    <th scope="col">from</th>
                    <th scope="col">to</th>
                    <th scope="col">values</th>
                  </tr>
                </thead>
                <tbody>
                  {answer.rows.map((each, index) => (
                    <tr key={index}>
                      <td>
                        <Link
                          to={pathTo(node, 'row', {
                            table,
                            pk: JSON.stringify(each.pk),
                            at: each.valid_from.lsn,
                          })}
                        >
                          <KeyText pk={each.pk} />
                        </Link>
                      </td>
                      <td>
                        <Moment ts={each.valid_from.ts} />
                      </td>
                      <td>{each.valid_to === null ? 'still so' : <Moment ts={each.valid_to.ts} />}</td>
                      <td class="values">
                        {Object.entries(each.row ?? {})
                          .slice(0, 8)
                          .map(([name, cell]) => (
                            <span key={name} class="tag">
                              <span class="name">
                                <PlainText text={name} cut={40} />
                              </span>{' '}
                              <Value value={cell} cut={40} />
                            </span>
                          ))}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {answer?.next && <p class="note">The first 200 rows.</p>}
        </>
      )}
    </>
  );
}
