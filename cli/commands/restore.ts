/** `restore`: puts back what transactions changed, or rows as of an instant. It only plans without --apply. */
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect, type Queryable } from '../../core/pg/connection.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { keyFromOptions } from '../../core/query/key-input.ts';
import type { TransactionSummary } from '../../core/query/transactions.ts';
import type { ChosenRows } from '../../core/restore/changes-since.ts';
import { namedTransactions, transactionsBy } from '../../core/restore/chosen-transactions.ts';
import { planFromStore } from '../../core/restore/plan-from-store.ts';
import type { Undo } from '../../core/restore/plan-restore.ts';
import { scriptBlocks } from '../../core/restore/write-script.ts';
import { restoreText } from '../../documents/restore.ts';
import { collect, positiveInteger } from '../arguments.ts';
import { carryOutRestore, makeRun } from '../carry-out-restore.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { fromFileError } from '../file-error.ts';
import { PAIR, pairs, whereValues } from '../history-options.ts';
import { JsonText } from '../output.ts';
import { stepProgress } from '../progress.ts';
import { renderRestore } from '../render/restore.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface RestoreFlags {
  readonly pk?: readonly string[];
  readonly where?: readonly string[];
  readonly all?: boolean;
  readonly at?: string;
  readonly transaction?: readonly string[];
  readonly by?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly plan?: string;
  readonly apply?: boolean;
  readonly skipConflicts?: boolean;
  readonly cascade?: boolean;
  readonly defaults?: boolean;
  /** false with --no-triggers */
  readonly triggers: boolean;
  readonly maxRows: number;
  readonly lockTimeout: number;
}

const USUAL_ROWS = 10_000;
const USUAL_LOCK_SECONDS = 10;
/** So many rows that a TRUNCATE removed come back in bulk, and are not in the script that the answer holds. */
const BULK_ROWS = USUAL_ROWS + 1;
/** The most transactions that --by takes. */
const MOST_TRANSACTIONS = 1_000;

export function registerRestore(program: Command, run: Run): Command {
  return program
    .command('restore')
    .description('put back what transactions changed, or rows as of an instant; without --apply only plan it')
    .argument('[table]', 'with --at: put back rows of this table')
    .option('--at <time>', `with a table: as they were at this instant (${INSTANT_FORMS})`)
    .option('--pk <key>', 'the row with this key: 42, or id=42 for each column (repeatable)', collect)
    .option('--where <col=value>', `${PAIR}: rows that have this value then or now (repeatable)`, collect)
    .option('--all', 'all rows')
    .option('--transaction <lsn|xid>', 'undo this transaction (repeatable)', collect)
    .option('--by <key=value>', 'undo the transactions that said this about themselves (repeatable)', collect)
    .option('--from <time>', 'with --by: committed after this instant')
    .option('--to <time>', 'with --by: committed up to this instant')
    .option('--plan <file>', 'write the SQL script that does it')
    .option('--apply', 'do it, with the login of --source')
    .option('--skip-conflicts', 'leave out rows that were changed since')
    .option(
      '--cascade',
      'undo the later transactions of the same rows as well, and of rows that refer to them',
    )
    .option('--defaults', 'insert rows of which not every value is known, with the defaults of these columns')
    .option('--no-triggers', 'without the triggers of the tables; needs their owner, and writers wait')
    .addOption(
      new Option('--max-rows <n>', 'refuse to undo more changes than this')
        .argParser(positiveInteger)
        .default(USUAL_ROWS),
    )
    .addOption(
      new Option('--lock-timeout <seconds>', 'wait at most this long for each lock')
        .argParser(positiveInteger)
        .default(USUAL_LOCK_SECONDS),
    )
    .addHelpText(
      'after',
      '\nA row is put back only if it is now what the transaction left there. Otherwise nothing is changed.\n\nExit status: 0 planned or applied, 1 refused (nothing was changed), 4 the past is not known.\n\nExample:\n  pgtimewarp restore --transaction 0/16B3748\n  pgtimewarp restore --transaction 0/16B3748 --apply\n  pgtimewarp restore --by user=ann --from -1h --plan undo.sql\n  pgtimewarp restore orders --pk 42 --at "2026-11-24 09:41"\n  pgtimewarp restore orders --where customer=7 --at -1h --apply',
    )
    .action((table: string | undefined, flags: RestoreFlags) =>
      run((context) => restore(context, table, flags)),
    );
}

async function restore(
  context: CommandContext,
  tableText: string | undefined,
  flags: RestoreFlags,
): Promise<ExitCode> {
  const { settings, out, signal } = context;
  const { node } = settings;
  const target = tableText === undefined ? null : tableTarget(context, tableText, flags);
  if (target === null) requireTransactions(flags);
  const store = await connect(settings.storeUrl, { side: 'store', node });
  using progress = stepProgress(out);
  try {
    const needsSource = flags.apply === true || settings.optionalSourceUrl !== null;
    const place = needsSource ? { ...settings.databases, signal, report: progress.show } : null;
    const isRunFirst = target !== null || flags.cascade === true;
    if (place !== null && isRunFirst && flags.apply === true) await makeRun(place); // the newer the plan, the fewer surprises
    const undo: Undo = target ?? {
      kind: 'transactions',
      transactions: await chosenTransactions(context, store, flags),
    };
    const { plan: planFile } = flags;
    const skipConflicts = flags.skipConflicts === true;
    const asked = {
      ...{ undo, skipConflicts, cascade: flags.cascade, defaults: flags.defaults, maxRows: flags.maxRows },
      ...{ noTriggers: !flags.triggers, lockTimeoutMs: flags.lockTimeout * 1_000, bulkFrom: BULK_ROWS },
    };
    const apply = flags.apply === true;
    const result =
      place === null
        ? await planFromStore(store, { node, ...asked })
        : await carryOutRestore(place, store, { ...asked, apply });
    progress[Symbol.dispose]();
    if (planFile !== undefined) {
      const openStore = () => connect(settings.storeUrl, { side: 'store', node });
      if (result.sql !== null) await writeScript(planFile, [result.sql]);
      if (result.bulk !== null) await writeScript(planFile, scriptBlocks(openStore, result.bulk));
    }
    out.result(new JsonText(out.json ? restoreText(result) : ''), () =>
      renderRestore(result, { skipConflicts, planFile }),
    );
    const isRefused = result.refused.length > 0 || (result.conflicts.length > 0 && !skipConflicts);
    return isRefused ? EXIT.failed : EXIT.done;
  } finally {
    await store.end().catch(() => {});
  }
}

function requireTransactions(flags: RestoreFlags): void {
  const { pk, where, all, at } = flags;
  if ([pk, where, all, at].some((flag) => flag !== undefined))
    throw new TimewarpError('BAD_FLAGS', 'Name the table: restore TABLE --pk KEY --at T.');
  if ((flags.transaction === undefined) === (flags.by === undefined))
    throw new TimewarpError(
      'BAD_FLAGS',
      'Say what to undo: --transaction LSN, --by KEY=VALUE, or TABLE --at T with --pk, --where or --all.',
    );
}

/** Throws BAD_FLAGS. */
function tableTarget({ out }: CommandContext, tableText: string, flags: RestoreFlags): Undo {
  const { pk, where, all, at, transaction, by, from, to, cascade } = flags;
  if (cascade !== undefined)
    throw new TimewarpError(
      'BAD_FLAGS',
      '--cascade goes with --transaction or --by: with a table, all later changes are undone anyway.',
    );
  if ([transaction, by, from, to].some((flag) => flag !== undefined))
    throw new TimewarpError(
      'BAD_FLAGS',
      'A table is put back as of --at; --transaction, --by, --from and --to go without a table.',
    );
  if (at === undefined)
    throw new TimewarpError('BAD_FLAGS', 'Say as of when: --at T.', {
      remedy: 'For example --at -15m.',
    });
  if ([pk, where, all].filter((flag) => flag !== undefined).length !== 1)
    throw new TimewarpError('BAD_FLAGS', 'Say which rows: --pk KEY, --where COL=VALUE, or --all.');
  const rows: ChosenRows =
    pk !== undefined
      ? { kind: 'key', key: keyFromOptions(pk) }
      : where !== undefined
        ? { kind: 'where', where: whereValues(where)! }
        : { kind: 'all' };
  return { kind: 'table', table: parseTableName(tableText), at: instantOption('--at', at, out), rows };
}

async function chosenTransactions(
  { settings: { node }, out }: CommandContext,
  store: Queryable,
  flags: RestoreFlags,
): Promise<TransactionSummary[]> {
  const instant = (option: string, text: string | undefined) =>
    text === undefined ? null : instantOption(option, text, out);
  const [from, to] = [instant('--from', flags.from), instant('--to', flags.to)];
  const by = pairs('--by', flags.by);
  if (by === undefined) return namedTransactions(store, { node, names: flags.transaction ?? [], from, to });
  if (from === null) throw new TimewarpError('BAD_FLAGS', '--by needs --from: since when.');
  return transactionsBy(store, { node, by, from, to, most: MOST_TRANSACTIONS });
}

async function writeScript(
  file: string,
  blocks: Iterable<string> | AsyncIterable<string | Buffer>,
): Promise<void> {
  await writeFile(file, blocks, { mode: 0o600 }).catch((error: unknown) => {
    throw fromFileError(error, file, 'Name a file in a folder that you may write to.');
  });
}
