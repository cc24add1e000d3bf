/** What became of the rows of a table between an instant and now. */
import { useState } from 'preact/hooks';
import { pathTo } from '../address.ts';
import type { Point, TableChanges } from '../documents.ts';
import { useAnswer } from '../use-answer.ts';
import { Differences } from './differences.tsx';
import { Newer, useNews } from './newer.tsx';
import { KnownUpTo, Link, Loading, Operation, Problem } from './parts.tsx';
import { KeyText } from './value.tsx';

interface NetChangesProperties {
  readonly node: string;
  readonly horizon: Point | null;
  readonly table: string;
  readonly path: string;
  readonly at: string;
}

export function NetChanges({ node, horizon, table, path, at }: NetChangesProperties) {
  const [again, setAgain] = useState(0);
  const { answer, problem, isLoading } = useAnswer<TableChanges>(
    `${path}/changes`,
    { from: at, net: 'true', limit: '200' },
    { again },
  );
  const news = useNews({ node, horizon }, answer, { table });
  return (
    <>
      <h2>What became of each row since then</h2>
      <Problem problem={problem} />
      <KnownUpTo frame={answer} />
      <Loading when={isLoading} />
      <Newer news={news} show={() => setAgain(again + 1)} />
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
