/** The frame around every view: where one is, up to when the node is known, and what the API asks for first. */
import { useEffect, useErrorBoundary } from 'preact/hooks';
import { address, go, pathTo } from './address.ts';
import { isOffline, Refused, wantedToken } from './client.ts';
import type { NodeDocument } from './documents.ts';
import { ago } from './parts/moment.tsx';
import { Link, Loading, Problem } from './parts/parts.tsx';
import { SignInDialog, TokenDialog } from './parts/token-dialog.tsx';
import { hasSignIn, signInWanted, signOut } from './sign-in/session.ts';
import { useAnswer } from './use-answer.ts';
import { HomeView } from './views/home.tsx';
import { RowView } from './views/row.tsx';
import { SearchView } from './views/search.tsx';
import { TableView } from './views/table.tsx';
import { TablesView } from './views/tables.tsx';
import { TransactionView } from './views/transaction.tsx';
import { TransactionsView } from './views/transactions.tsx';

const NODES_EVERY_MS = 5_000;

export function App() {
  const { node: named, view } = address.value;
  const { answer, problem, isLoading } = useAnswer<{ nodes: readonly NodeDocument[] }>(
    '/v1/nodes',
    {},
    { everyMs: NODES_EVERY_MS },
  );
  const nodes = answer?.nodes.filter(({ status }) => status !== 'removed') ?? [];
  const node = nodes.find((each) => each.node === named) ?? (named === null ? nodes[0] : undefined);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the view
      </a>
      <TopBar nodes={nodes} node={node} view={view} />
      {isOffline.value && (
        <div class="message wrong" role="alert">
          The server does not answer. The page goes on as soon as it does.
        </div>
      )}
      <main id="main" tabIndex={-1}>
        <Problem problem={problem} />
        {answer === null && <Loading when={isLoading} />}
        {answer !== null && node === undefined && (
          <p class="message">
            {named === null
              ? 'The store has no node yet: run pgtimewarp init.'
              : `The store has no node “${named}”.`}
          </p>
        )}
        {node !== undefined && <Guarded node={node} nodes={nodes} />}
      </main>
      {wantedToken.value !== null && <TokenDialog send={wantedToken.value} />}
      {signInWanted.value !== null && <SignInDialog why={signInWanted.value} />}
    </>
  );
}

interface ViewProperties {
  readonly node: NodeDocument;
  readonly nodes: readonly NodeDocument[];
}

/** A view that fails says so, and the others go on. */
function Guarded({ node, nodes }: ViewProperties) {
  const [failure, reset] = useErrorBoundary((error) => console.error(error));
  useEffect(reset, [address.value]);
  if (failure === undefined) return <View node={node} nodes={nodes} />;
  return (
    <Problem
      problem={new Refused(0, { detail: `This view has failed: ${failure}`, remedy: 'Reload the page.' })}
    />
  );
}

function View({ node, nodes }: ViewProperties) {
  const { view, query } = address.value;
  const [first = '', rest = ''] = view.split('/');
  const place = `${node.node}/${view}`;
  useEffect(() => {
    const heading = document.querySelector('h1');
    document.title = `${heading?.textContent ?? first} · pgtimewarp`;
    if (document.activeElement === document.body || document.activeElement?.isConnected === false)
      document.getElementById('main')?.focus();
  }, [place]);
  if (first === '') return <HomeView node={node} nodes={nodes} />;
  if (first === 'transactions' && rest !== '')
    return <TransactionView key={rest} node={node.node} lsn={rest} xid={query.xid} />;
  if (first === 'transactions') return <TransactionsView node={node} query={query} />;
  if (first === 'tables') return <TablesView node={node.node} />;
  if (first === 'table')
    return <TableView key={query.table} node={node.node} horizon={node.horizon} query={query} />;
  if (first === 'row') return <RowView key={`${query.table} ${query.pk}`} node={node} query={query} />;
  if (first === 'search') return <SearchView node={node} query={query} />;
  return <p class="message">There is no such view.</p>;
}

interface TopBarProperties {
  readonly nodes: readonly NodeDocument[];
  readonly node: NodeDocument | undefined;
  readonly view: string;
}

const VIEWS = [
  ['', 'Overview'],
  ['transactions', 'Transactions'],
  ['tables', 'Tables'],
  ['search', 'Search'],
] as const;

function TopBar({ nodes, node, view }: TopBarProperties) {
  const first = view.split('/')[0]!;
  const place = first === 'table' || first === 'row' ? 'tables' : first;
  return (
    <header class="top">
      <Link to="/" class="brand" aria-label="pgtimewarp, overview">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <path
            d="M16 5a11 11 0 1 1-10.4 7.4M16 10v6.6l5 3M4 5.500l1.600 6.900 6.500-1.400"
            fill="none"
            stroke="currentColor"
            stroke-width="2.600"
            stroke-linecap="round"
            stroke-linejoin="round"
          />
        </svg>
        <span>pgtimewarp</span>
      </Link>
      {nodes.length > 1 && (
        <select
          aria-label="Node"
          value={node?.node}
          onChange={(event) => go(pathTo(event.currentTarget.value))}
        >
          {nodes.map((each) => (
            <option key={each.node}>{each.node}</option>
          ))}
        </select>
      )}
      {node !== undefined && (
        <nav aria-label="Views">
          {VIEWS.map(([path, name]) => (
            <Link key={path} to={pathTo(node.node, path)} aria-current={place === path ? 'page' : undefined}>
              {name}
            </Link>
          ))}
        </nav>
      )}
      {node?.horizon && (
        <span class="horizon" title={`${node.horizon.ts} · ${node.horizon.lsn}`}>
          <span class={`dot ${node.status === 'active' ? 'good' : 'bad'}`} aria-hidden="true" />
          known up to {ago(node.horizon.ts)}
        </span>
      )}
      {hasSignIn.value && (
        <button type="button" class="sign-out" onClick={() => void signOut()}>
          Sign out
        </button>
      )}
    </header>
  );
}
