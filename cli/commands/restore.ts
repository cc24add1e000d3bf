/** `restore`: puts back what transactions changed, or rows as of an instant. It only plans without --apply. */
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect, type Queryable } from '../../core/pg/connection.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { poll } from '../../core/poll.ts';
import { askAfter, MAX_AWAIT_MS } from '../../core/query/await-horizon.ts';
import { keyFromOptions } from '../../core/query/key-input.ts';
import { type TransactionSummary, transactions } from '../../core/query/transactions.ts';
import {
  applyRestore,
  findConflicts,
  type RestoreConflict,
  type WrittenTable,
} from '../../core/restore/apply-restore.ts';
import type { ChosenRows } from '../../core/restore/changes-since.ts';
import { planRestore, type RestorePlan, type Undo } from '../../core/restore/plan-restore.ts';
import { scriptText, type TableRestore } from '../../core/restore/restore-script.ts';
import { parseLsn } from '../../core/types/lsn.ts';
import { type RestoreResult, restoreText } from '../../documents/restore.ts';
import { collect, positiveInteger } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { fromFileError } from '../file-error.ts';
import { PAIR, pairs, whereValues } from '../history-options.ts';
import { JsonText } from '../output.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';
import { identityFilter } from './transaction.ts';

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
  /** false with --no-triggers */
  readonly triggers: boolean;
  readonly maxRows: number;
  readonly lockTimeout: number;
}

const USUAL_ROWS = 10_000;
const USUAL_LOCK_SECONDS = 10;
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
  const { settings } = context;
  const { node } = settings;
  const target = tableText === undefined ? null : tableTarget(context, tableText, flags);
  if (target === null) requireTransactions(flags);
  const store = await connect(settings.storeUrl, { side: 'store', node });
  try {
    if (target !== null && flags.apply === true) await makeRun(context); // the newer the plan, the fewer surprises
    const undo: Undo = target ?? {
      kind: 'transactions',
      transactions: await chosenTransactions(context, store, flags),
    };
    const source = await connect(settings.sourceUrl, { side: 'source', node });
    try {
      await source.query("SET search_path = 'pg_catalog', 'pg_temp'"); // as in the script, which compares names of types
      const plan = await planRestore(
        { store, source },
        {
          ...{ node, undo, maxRows: flags.maxRows },
          skipConflicts: flags.skipConflicts === true,
          noTriggers: !flags.triggers,
          lockTimeoutMs: flags.lockTimeout * 1_000,
        },
      );
      const sql = plan.script === null ? null : scriptText(plan.script);
      if (flags.plan !== undefined && sql !== null) await writeScript(flags.plan, sql);
      const result = await carryOut(context, { plan, sql, apply: flags.apply === true, store, source });
      tell(context, result, flags);
      const isRefused =
        result.refused.length > 0 || (result.conflicts.length > 0 && flags.skipConflicts !== true);
      return isRefused ? EXIT.failed : EXIT.done;
    } finally {
      await source.end().catch(() => {});
    }
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
  const { pk, where, all, at, transaction, by, from, to } = flags;
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

/** Newest first. Throws ROWS_UNKNOWN for one that the history does not have: perhaps no run has read it yet. */
async function chosenTransactions(
  { settings: { node }, out }: CommandContext,
  store: Queryable,
  flags: RestoreFlags,
): Promise<TransactionSummary[]> {
  const instant = (option: string, text: string | undefined) =>
    text === undefined ? null : instantOption(option, text, out);
  const interval = { from: instant('--from', flags.from), to: instant('--to', flags.to) };
  const by = pairs('--by', flags.by);
  if (by !== undefined) {
    if (interval.from === null) throw new TimewarpError('BAD_FLAGS', '--by needs --from: since when.');
    const page = await transactions(store, { node, ...interval, filter: { by }, limit: MOST_TRANSACTIONS });
    if (page.next !== null)
      throw new TimewarpError(
        'BAD_FLAGS',
        `More than ${MOST_TRANSACTIONS} transactions: name a shorter time.`,
      );
    if ((interval.to !== null && !page.final) || page.unknownText !== '[]')
      throw new TimewarpError('ROWS_UNKNOWN', 'Not all transactions of that time are known.', {
        remedy: 'Name an interval that runs have read, without a gap: see pgtimewarp transactions.',
      });
    return [...page.transactions];
  }
  const found: TransactionSummary[] = [];
  for (const identity of new Set(flags.transaction)) {
    const page = await transactions(store, { node, ...interval, filter: identityFilter(identity), limit: 2 });
    const [transaction, another] = page.transactions;
    if (transaction === undefined)
      throw new TimewarpError('ROWS_UNKNOWN', `The history has no transaction ${identity}.`, {
        remedy:
          'Perhaps no run has read it yet: pgtimewarp poll. `pgtimewarp transactions` lists those that are known.',
      });
    if (another !== undefined)
      throw new TimewarpError('BAD_FLAGS', `Several transactions had the number ${identity}.`, {
        remedy: 'Name the commit LSN: `pgtimewarp transaction XID` lists them.',
      });
    if (!found.some(({ lsn }) => lsn === transaction.lsn)) found.push(transaction);
  }
  return found;
}

async function writeScript(file: string, sql: string): Promise<void> {
  await writeFile(file, sql, { mode: 0o600 }).catch((error: unknown) => {
    throw fromFileError(error, file, 'Name a file in a folder that you may write to.');
  });
}

interface Planned {
  readonly plan: RestorePlan;
  readonly sql: string | null;
  readonly apply: boolean;
  readonly store: Queryable;
  readonly source: Awaited<ReturnType<typeof connect>>;
}

async function carryOut(context: CommandContext, planned: Planned): Promise<RestoreResult> {
  const { plan, sql, apply, store, source } = planned;
  const { id, of, asOf, refused, notes, recheck } = plan;
  const common = { id, of, asOf, refused, notes, sql, lsn: null, isApplied: false };
  const counted = plan.tables.map(plannedCounts);
  if (plan.script === null) return { ...common, tables: counted, conflicts: [] };
  if (!apply) return { ...common, tables: counted, conflicts: await findConflicts(source, plan.script) };
  const catchUp = (lsn: string): Promise<void> => runUntil(context, store, lsn);
  const outcome = await applyRestore(source, plan.script, {
    store,
    signal: context.signal,
    catchUp,
    recheck,
  });
  if (!outcome.isApplied) return { ...common, tables: counted, conflicts: outcome.conflicts };
  const lsn = await commitOf(context, planned);
  const done = { ...common, isApplied: true, tables: outcome.written, conflicts: outcome.conflicts };
  return lsn !== null
    ? { ...done, lsn }
    : {
        ...done,
        notes: [
          ...notes,
          `No run has read the restore yet: find its LSN by --by pgtimewarp.restore.id=${id}`,
        ],
      };
}

function plannedCounts({ table, rows }: TableRestore): WrittenTable {
  const count = (kind: string): string => `${rows.filter(({ op }) => op === kind).length}`;
  return {
    ...{ schema: table.schema, table: table.name },
    ...{ inserts: count('insert'), updates: count('update'), deletes: count('delete') },
  };
}

/** Makes a run if this login may; otherwise others make the runs. */
async function makeRun({ settings, signal }: CommandContext): Promise<void> {
  await poll({ ...settings.databases, signal }).catch(() => {});
}

/** Makes a run if this login may, and waits for the position. Throws HORIZON_BEHIND. */
async function runUntil(context: CommandContext, store: Queryable, lsn: string): Promise<void> {
  const { settings, signal } = context;
  await makeRun(context);
  const position = { node: settings.node, lsn: parseLsn(lsn), timeoutMs: MAX_AWAIT_MS, signal };
  await askAfter(
    (ask) => ask(store),
    position,
    async () => {},
  );
}

/** The commit LSN of an applied restore, after a run has read it; null: none has. */
async function commitOf(context: CommandContext, { plan, store, source }: Planned): Promise<string | null> {
  const { node } = context.settings;
  try {
    const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    await runUntil(context, store, rows[0]!.lsn);
    const filter = { by: { 'pgtimewarp.restore.id': plan.id } };
    const page = await transactions(store, { node, from: null, to: null, filter, limit: 1 });
    return page.transactions[0]?.lsn ?? null;
  } catch {
    return null; // it is applied, whatever the store does now
  }
}

const SHOWN = 20;

function tell({ out }: CommandContext, result: RestoreResult, { plan, skipConflicts }: RestoreFlags): void {
  out.result(new JsonText(out.json ? restoreText(result) : ''), () => {
    const { tables, conflicts, refused, notes, isApplied, lsn, sql } = result;
    const lines = tables.map(
      ({ schema, table, inserts, updates, deletes }) =>
        `${formatTableName({ schema, name: table })}: ${inserts} to insert, ${updates} to update, ${deletes} to delete`,
    );
    if (isApplied)
      for (const [index, line] of lines.entries()) lines[index] = line.replaceAll(' to ', ' rows ');
    lines.push(...notes, ...refused.map(refusedLine), ...conflicts.slice(0, SHOWN).map(conflictLine));
    if (conflicts.length > SHOWN) lines.push(`… and ${conflicts.length - SHOWN} more conflicts`);
    if (isApplied)
      lines.push(lsn === null ? 'Applied.' : `Applied. To undo it: pgtimewarp restore --transaction ${lsn}`);
    else if (refused.length > 0) lines.push('Refused: nothing was changed.');
    else if (conflicts.length > 0 && skipConflicts !== true)
      lines.push('These rows were changed since: nothing was changed. --skip-conflicts leaves them out.');
    else if (sql === null) lines.push('There is nothing to put back: the rows are as they were.');
    else
      lines.push(plan === undefined ? 'Nothing was changed: --apply does it.' : `The script is in ${plan}.`);
    return lines.join('\n');
  });
}

const refusedLine = ({ schema, table, reason, message }: RestoreResult['refused'][number]): string =>
  `${formatTableName({ schema, name: table })}: ${reason}: ${message}`;

const conflictLine = ({ schema, table, pkText, reason, expectedText, foundText }: RestoreConflict): string =>
  `conflict in ${formatTableName({ schema, name: table })} ${pkText}: ${reason}; expected ${expectedText}, found ${foundText}`;
