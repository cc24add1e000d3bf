/** `complete` (hidden): prints the names for completion scripts. If the store does not answer in time, it prints none. */
import { Argument, type Command } from 'commander';
import { connect, type Queryable } from '../../core/pg/connection.ts';
import { formatTableName } from '../../core/pg/identifiers.ts';
import { listNodes } from '../../core/store/node/nodes.ts';
import { readOverview } from '../../core/store/overview.ts';
import type { Run } from '../command.ts';
import { NAMES, type Names } from '../completion.ts';
import { EXIT } from '../exit-codes.ts';

/** The shell blocks the terminal while it waits for the names. */
const PATIENCE_MS = 2_000;

export function registerComplete(program: Command, run: Run): Command {
  return program
    .command('complete', { hidden: true })
    .description('print names for completion scripts')
    .addArgument(new Argument('<what>', 'which ones').choices(NAMES))
    .action((what: Names) =>
      run(async ({ settings, out }) => {
        const limits = {
          connectTimeoutMs: PATIENCE_MS,
          statementTimeoutMs: PATIENCE_MS,
          answerTimeoutMs: PATIENCE_MS,
        };
        const names = await connect(settings.storeUrl, { side: 'store', node: settings.node, ...limits })
          .then((store) => list(store, what, settings.node).finally(() => store.end().catch(() => {})))
          .catch(() => []);
        out.result({ names }, () => names.join('\n'));
        return EXIT.done;
      }),
    );
}

async function list(store: Queryable, what: Names, node: string): Promise<string[]> {
  if (what === 'nodes') return (await listNodes(store)).map((each) => each.node);
  const [overview] = await readOverview(store, node);
  const tracked = (overview?.relations ?? []).filter(({ status }) => status !== 'untracked');
  return [...new Set(tracked.map(({ name }) => formatTableName(name)))];
}
