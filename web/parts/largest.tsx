/** The largest transactions of an interval: those of the parts whose largest transaction changed the most rows. */
import { useEffect, useState } from 'preact/hooks';
import { ask } from '../client.ts';
import type { ActivityBucket, Transaction, Transactions } from '../documents.ts';
import { TransactionList } from '../views/transactions.tsx';

const MOST = 5;

export function Largest({
  node,
  buckets,
  span,
}: {
  readonly node: string;
  readonly buckets: readonly ActivityBucket[];
  readonly span: string;
}) {
  const rowsOf = ({ largest }: ActivityBucket): number => Number(`${largest}`);
  const places = buckets
    .filter((bucket) => rowsOf(bucket) > 0)
    .toSorted((one, other) => rowsOf(other) - rowsOf(one))
    .slice(0, MOST)
    .map(({ from, to, largest }) => ({ from, to, min_rows: `${largest}` }));
  const question = JSON.stringify(places);
  const [found, setFound] = useState<readonly Transaction[]>([]);
  useEffect(() => {
    const gone = new AbortController();
    const pages = (JSON.parse(question) as typeof places).map((place) =>
      ask<Transactions>(`/v1/nodes/${node}/transactions`, { ...place, limit: '10' }, gone.signal),
    );
    Promise.all(pages).then(
      (answers) => setFound(answers.flatMap(({ transactions }) => largestOf(transactions))),
      () => {}, // the view goes on without the list
    );
    return () => gone.abort();
  }, [node, question]);
  if (found.length === 0) return null;
  return (
    <section aria-labelledby="largest">
      <h2 id="largest">Largest in the last {span}</h2>
      <TransactionList node={node} transactions={found} label="List of the largest transactions" />
      <p class="note">
        The largest of each bar, for the {found.length === 1 ? 'one bar' : `${found.length} bars`} with the
        largest.
      </p>
    </section>
  );
}

/** `min_rows` lets a TRUNCATE pass, too, whose rows are not counted. */
function largestOf(transactions: readonly Transaction[]): Transaction[] {
  return transactions.toSorted((one, other) => Number(`${other.rows}`) - Number(`${one.rows}`)).slice(0, 1);
}
