/** What is going on at a node: how far it is known, its health, its activity, its largest and its newest transactions. */
import { useState } from 'preact/hooks';
import { pathTo } from '../address.ts';
import type { Activity, Health, NodeDocument, Transactions } from '../documents.ts';
import { ActivityChart } from '../parts/activity.tsx';
import { Largest } from '../parts/largest.tsx';
import { ago, Moment } from '../parts/moment.tsx';
import { Link, Loading, Problem, Unknown, Who } from '../parts/parts.tsx';
import { useAnswer } from '../use-answer.ts';
import { transactionPath } from './transaction.tsx';
import { TransactionList } from './transactions.tsx';

const EVERY_MS = 10_000;
const SPANS = [
  { name: 'hour', buckets: 60, bucketMs: 60_000 },
  { name: 'day', buckets: 96, bucketMs: 900_000 },
] as const;

export function HomeView({
  node,
  nodes,
}: {
  readonly node: NodeDocument;
  readonly nodes: readonly NodeDocument[];
}) {
  const [span, setSpan] = useState<(typeof SPANS)[number]>(SPANS[0]);
  // whole minutes: the question stays the same for a while, and bars do not change their places
  const endMs = Math.ceil(Date.now() / span.bucketMs) * span.bucketMs;
  const interval = {
    from: new Date(endMs - span.buckets * span.bucketMs).toISOString(),
    to: new Date(endMs).toISOString(),
    buckets: `${span.buckets}`,
  };
  const path = node.horizon === null ? null : `/v1/nodes/${node.node}/transactions`;
  const { answer, problem, isLoading } = useAnswer<Activity>(
    node.horizon === null ? null : `/v1/nodes/${node.node}/activity`,
    interval,
    { everyMs: EVERY_MS },
  );
  const { answer: newest } = useAnswer<Transactions>(path, { limit: '8' }, { everyMs: EVERY_MS });
  const { answer: health } = useAnswer<Health>('/v1/health', {}, { everyMs: EVERY_MS });
  const verdict = health?.nodes.find((each) => each.node === node.node);
  const wrong = verdict?.checks.filter(({ status }) => status !== 'ok') ?? [];
  const said = newest?.transactions.filter(({ context }) => context !== null) ?? [];
  return (
    <>
      <h1>{node.node}</h1>
      <section class="cards" aria-label="State">
        <div class="card">
          <h2>Known up to</h2>
          {node.horizon === null ? <p>nothing yet</p> : <Moment ts={node.horizon.ts} />}
          <p class="note">{node.horizon !== null && `${ago(node.horizon.ts)} · ${node.horizon.lsn}`}</p>
        </div>
        <div class="card">
          <h2>Health</h2>
          <p>
            <span class={`state ${verdict?.status === 'ok' ? 'good' : 'bad'}`}>
              {{ ok: 'good', warn: 'look at it', fail: 'failing' }[verdict?.status ?? 'ok']}
            </span>
          </p>
          {wrong.map((check) => (
            <p key={check.code} class="note">
              {check.message} {check.remedy}
            </p>
          ))}
          {wrong.length === 0 && <p class="note">{verdict?.checks.length ?? 0} checks of the store pass</p>}
        </div>
        <div class="card">
          <h2>Source</h2>
          <p>{node.database}</p>
          <p class="note">
            {node.plugin} · {node.status}
            {node.last_run && ` · last run ${ago(node.last_run.at)}`}
          </p>
        </div>
        {nodes.length > 1 && (
          <div class="card">
            <h2>Nodes</h2>
            <ul class="plain">
              {nodes.map((each) => (
                <li key={each.node}>
                  <Link to={pathTo(each.node)}>{each.node}</Link>{' '}
                  <span class="note">{each.horizon ? ago(each.horizon.ts) : 'nothing yet'}</span>
                </li>
              ))}
            </ul>
          </div>
        )}
      </section>
      <section aria-labelledby="activity">
        <div class="heading">
          <h2 id="activity">Changes in the last {span.name}</h2>
          <div class="choice" role="group" aria-label="Span">
            {SPANS.map((each) => (
              <button
                key={each.name}
                type="button"
                aria-pressed={each === span}
                onClick={() => setSpan(each)}
              >
                {each.name}
              </button>
            ))}
          </div>
        </div>
        <Problem problem={problem} />
        <Loading when={isLoading && answer === null} />
        {answer !== null && (
          <>
            <ActivityChart node={node.node} answer={answer} />
            <Unknown intervals={answer.unknown} />
          </>
        )}
      </section>
      <section aria-labelledby="newest">
        <h2 id="newest">Newest transactions</h2>
        {newest !== null && newest.transactions.length === 0 && (
          <p class="message">No transaction has touched a tracked table yet.</p>
        )}
        {newest !== null && newest.transactions.length > 0 && (
          <TransactionList
            node={node.node}
            transactions={newest.transactions}
            label="List of the newest transactions"
          />
        )}
        <p>
          <Link to={pathTo(node.node, 'transactions')}>All transactions</Link>
        </p>
      </section>
      {answer !== null && <Largest node={node.node} buckets={answer.buckets} span={span.name} />}
      {said.length > 0 && (
        <section aria-labelledby="said">
          <h2 id="said">Who was at work</h2>
          <ul class="plain">
            {said.map((each) => (
              <li key={each.lsn}>
                <Link to={transactionPath(node.node, each.lsn, each.xid)}>{ago(each.ts)}</Link>{' '}
                <Who context={each.context} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
