/** What was committed, newest first, with every filter that the API has. */
import { useState } from 'preact/hooks';
import { address, go, lsnSegment, pathTo } from '../address.ts';
import { ask } from '../client.ts';
import type { NodeDocument, Table, Transaction, Transactions } from '../documents.ts';
import { Moment } from '../parts/moment.tsx';
import { MoreButton } from '../parts/more-button.tsx';
import { Newer, useNews } from '../parts/newer.tsx';
import { KnownUpTo, Link, Loading, Problem, Who } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { useAnswer } from '../use-answer.ts';
import { useMore } from '../use-more.ts';

type Query = Readonly<Record<string, string>>;
const PAGE = '100';

export function TransactionsView({ node, query }: { readonly node: NodeDocument; readonly query: Query }) {
  const path = `/v1/nodes/${node.node}/transactions`;
  const parameters = { ...asked(query), limit: PAGE };
  const [again, setAgain] = useState(0);
  const { answer, problem, isLoading } = useAnswer<Transactions>(path, parameters, { again });
  const news = useNews(node, query.to === undefined ? answer : null, asked({ ...query, from: '' }));
  const older = useMore(answer, (cursor) => ask<Transactions>(path, { ...parameters, cursor }));
  const all = [answer, ...older.pages].flatMap((page) => page?.transactions ?? []);
  return (
    <>
      <h1>Transactions</h1>
      <Filters node={node.node} query={query} />
      <Problem problem={problem} />
      <KnownUpTo
        frame={answer && { ...answer, horizon: query.to === undefined ? news.upTo : answer.horizon }}
      />
      <Newer news={news} show={() => setAgain(again + 1)} />
      <Loading when={isLoading} />
      {answer !== null && all.length === 0 && <p class="message">No transaction matches.</p>}
      {all.length > 0 && (
        <TransactionList node={node.node} transactions={all} label="Transactions, newest first" />
      )}
      <MoreButton more={older} label="Older transactions" />
    </>
  );
}

/** The address has `by=KEY=VALUE`; the API has a parameter for each name. */
function asked({ by, ...others }: Query): Query {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(by ?? '') ?? [];
  return key === undefined ? others : { ...others, [`by.${key}`]: value! };
}

function Filters({ node, query }: { readonly node: string; readonly query: Query }) {
  const { answer } = useAnswer<{ tables: readonly Table[] }>(`/v1/nodes/${node}/tables`);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const ops = given.getAll('op').join(',');
    const fields = Object.fromEntries(
      ['from', 'to', 'table', 'by', 'min_rows', 'xid'].map((name) => [
        name,
        String(given.get(name) ?? '').trim(),
      ]),
    );
    go(pathTo(node, 'transactions', { ...fields, op: ops }));
  };
  const ops = (query.op ?? '').split(',');
  return (
    <form
      class="filters"
      onSubmit={submit}
      key={address.value.view + JSON.stringify(query)}
      aria-label="Filters"
    >
      <label>
        Table
        <select name="table" defaultValue={query.table ?? ''} value={query.table ?? ''}>
          <option value="">all</option>
          {answer?.tables.map(({ segment }) => (
            <option key={segment} value={segment}>
              {segment}
            </option>
          ))}
        </select>
      </label>
      <label>
        From
        <input name="from" defaultValue={query.from ?? ''} placeholder="time or LSN" />
      </label>
      <label>
        To
        <input name="to" defaultValue={query.to ?? ''} placeholder="time or LSN" />
      </label>
      <label>
        By
        <input name="by" defaultValue={query.by ?? ''} placeholder="user=ann" pattern="[^=]+=.*" />
      </label>
      <label class="short">
        At least rows
        <input
          name="min_rows"
          defaultValue={query.min_rows ?? ''}
          inputMode="numeric"
          pattern="[1-9][0-9]*"
        />
      </label>
      <label class="short">
        Number
        <input name="xid" defaultValue={query.xid ?? ''} inputMode="numeric" pattern="[1-9][0-9]*" />
      </label>
      <fieldset>
        <legend>Holds</legend>
        {(['insert', 'update', 'delete', 'truncate'] as const).map((name) => (
          <label key={name} class="check">
            <input
              type="checkbox"
              name="op"
              value={name[0]!.toUpperCase()}
              defaultChecked={ops.includes(name[0]!.toUpperCase())}
            />
            {name}
          </label>
        ))}
      </fieldset>
      <div class="buttons">
        <button type="submit" class="main">
          Filter
        </button>
        {Object.keys(query).length > 0 && <Link to={pathTo(node, 'transactions')}>clear</Link>}
      </div>
    </form>
  );
}

export interface TransactionListProperties {
  readonly node: string;
  readonly transactions: readonly Transaction[];
  readonly label: string;
}

export function TransactionList({ node, transactions, label }: TransactionListProperties) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="grid">
        <thead>
          <tr>
            <th scope="col">committed</th>
            <th scope="col" class="right">
              rows
            </th>
            <th scope="col">tables</th>
            <th scope="col">who</th>
            <th scope="col">number</th>
          </tr>
        </thead>
        <tbody>
          {transactions.map((each) => (
            <tr key={`${each.lsn} ${each.xid}`}>
              <td>
                <Link to={pathTo(node, `transactions/${lsnSegment(each.lsn)}`, { xid: each.xid })}>
                  <Moment ts={each.ts} />
                </Link>
              </td>
              <td class="right number">{grouped(each.rows)}</td>
              <td>
                <Counts transaction={each} />
              </td>
              <td>
                <Who context={each.context} />
              </td>
              <td class="number">{each.xid}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Digits with a thin space between thousands. */
export const grouped = (digits: { toString(): string }): string =>
  String(digits).replace(/\B(?=(\d{3})+$)/g, '\u202f');

export function Counts({ transaction }: { readonly transaction: Pick<Transaction, 'tables'> }) {
  return (
    <span class="counts">
      {transaction.tables.map((each) => (
        <span key={`${each.schema}.${each.table}`} class="tag">
          <span class="name">
            <PlainText
              text={each.schema === 'public' ? each.table : `${each.schema}.${each.table}`}
              cut={80}
            />
          </span>
          {(['inserts', 'updates', 'deletes', 'truncates'] as const).map((name) =>
            `${each[name]}` === '0' ? null : (
              <span key={name} class={`count ${name}`} title={`${each[name]} ${name}`}>
                {{ inserts: '+', updates: '~', deletes: '−', truncates: 'truncated ×' }[name]}
                {grouped(each[name])}
              </span>
            ),
          )}
        </span>
      ))}
    </span>
  );
}
