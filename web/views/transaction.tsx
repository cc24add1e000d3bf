/** One transaction: who, when, and each row that it touched, before and after. */
import { lsnSegment, pathTo } from '../address.ts';
import { ask } from '../client.ts';
import type { TransactionChange, TransactionChanges } from '../documents.ts';
import { Differences } from '../parts/differences.tsx';
import { Moment } from '../parts/moment.tsx';
import { MoreButton } from '../parts/more-button.tsx';
import { KnownUpTo, Link, Loading, Operation, Problem, Who } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { RestoreButton } from '../parts/restore.tsx';
import { KeyText } from '../parts/value.tsx';
import { useAnswer } from '../use-answer.ts';
import { useMore } from '../use-more.ts';
import { tableSegment } from './tables.tsx';
import { Counts, grouped } from './transactions.tsx';

interface TransactionProperties {
  readonly node: string;
  /** The commit LSN with a hyphen. */
  readonly lsn: string;
  readonly xid: string | undefined;
}

export function TransactionView({ node, lsn, xid }: TransactionProperties) {
  const path = `/v1/nodes/${node}/transactions/${lsn}`;
  const parameters = { xid, limit: '100' };
  const { answer, problem, isLoading } = useAnswer<TransactionChanges>(path, parameters);
  const more = useMore(answer, (cursor) => ask<TransactionChanges>(path, { ...parameters, cursor }));
  const changes = [...(answer?.changes ?? []), ...more.pages.flatMap((page) => page.changes)];
  return (
    <>
      <h1>Transaction {answer?.xid ?? xid ?? lsn.replace('-', '/')}</h1>
      <Problem problem={problem} />
      <Loading when={isLoading} />
      {answer !== null && (
        <>
          <dl class="facts">
            <dt>Committed</dt>
            <dd>
              <Moment ts={answer.ts} />
            </dd>
            <dt>Who</dt>
            <dd>
              <Who context={answer.context} />
            </dd>
            <dt>Rows</dt>
            <dd>
              {grouped(answer.rows)} <Counts transaction={answer} />
            </dd>
            <dt>Commit LSN</dt>
            <dd class="number">{answer.lsn}</dd>
          </dl>
          <RestoreButton node={node} question={{ transactions: [answer.lsn] }} label="Undo this …" />
          <KnownUpTo frame={answer} />
          <h2>What it did</h2>
          <ol class="changes">
            {changes.map((change, index) => (
              <li key={index}>
                <Change node={node} lsn={answer.lsn} change={change} />
              </li>
            ))}
          </ol>
          <MoreButton more={more} label="More rows" />
        </>
      )}
    </>
  );
}

function Change({
  node,
  lsn,
  change,
}: {
  readonly node: string;
  readonly lsn: string;
  readonly change: TransactionChange;
}) {
  const { schema, table, pk, op, before, after, incomplete, omitted } = change;
  const row = pathTo(node, 'row', { table: tableSegment(schema, table), pk: JSON.stringify(pk), at: lsn });
  return (
    <article class="change">
      <header>
        <Operation op={op} />
        <Link to={row}>
          <span class="note">
            <PlainText text={schema === 'public' ? table : `${schema}.${table}`} cut={80} />
          </span>{' '}
          <KeyText pk={pk} />
        </Link>
      </header>
      {omitted && <p class="note">Too large to show here: {omitted.join(', ')}.</p>}
      <Differences before={before} after={after} {...(incomplete ? { unknown: incomplete } : {})} />
    </article>
  );
}

export const transactionPath = (node: string, lsn: string, xid: string | null): string =>
  pathTo(node, `transactions/${lsnSegment(lsn)}`, { xid: xid ?? undefined });
