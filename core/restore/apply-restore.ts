/**
 * Runs the statements of a restore. Until COMMIT is sent, everything that goes wrong rolls back; an error after that says that the
 * outcome is not known, and how to find it out.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { sqlState } from '../pg/database-error.ts';
import { formatTableName } from '../pg/identifiers.ts';
import { type BulkLoad, isStraightSql, straightLoad } from './bulk-script.ts';
import { copyAcross, type OpenStore } from './copy-across.ts';
import { triggersSql } from './inspect-source.ts';
import { refusal } from './plan-restore.ts';
import { touchedSince } from './removed-rows.ts';
import type { RestoreScriptInput } from './restore-input.ts';
import type { Refusal, RestoreConflict, WrittenTable } from './restore-result.ts';
import { restoreScript, straightCheck, straightWrite } from './restore-script.ts';
import { REFUSED_STATE } from './sql-text.ts';
import { keyLineage, type Report } from './undone-changes.ts';

/** What the source shows of a planned restore. */
export interface SourceView {
  /** Why the script would refuse, whatever the rows are. */
  readonly refused: readonly Refusal[];
  readonly notes: readonly string[];
  /** Empty if it would refuse. */
  readonly conflicts: readonly RestoreConflict[];
}

export interface RestoreOutcome extends SourceView {
  readonly isApplied: boolean;
  readonly written: readonly WrittenTable[];
}

/** Looks at the tables, and compares the rows with what they must be, without locks. Changes nothing. */
export async function lookAtSource(source: pg.Client, input: RestoreScriptInput): Promise<SourceView> {
  const { prepare, look } = restoreScript(input);
  try {
    return await runUncommitted(source, async () => {
      const seen = await inspectSource(source, input);
      if (seen.refused.length > 0) return { ...seen, conflicts: [] };
      await runAll(source, [...prepare, ...look]);
      return { ...seen, conflicts: await readConflicts(source) };
    });
  } catch (error) {
    if (!(error instanceof TimewarpError) || error.facts.sqlstate !== INSUFFICIENT_PRIVILEGE) throw error;
    const message = `${(error.cause as Error).message}. Name a login that may.`;
    const refused = input.tables.map(({ table }) => refusal(table, 'missing_rights', message));
    return { refused, notes: [], conflicts: [] };
  } finally {
    await source.query('ROLLBACK').catch(() => {});
  }
}

const INSUFFICIENT_PRIVILEGE = '42501';

/** Begins the transaction. */
async function inspectSource(
  source: pg.Client,
  input: RestoreScriptInput,
): Promise<Omit<SourceView, 'conflicts'>> {
  await runAll(source, restoreScript(input).inspect);
  const { rows } = await source.query<{ table_number: number; reason: string; message: string }>(
    `SELECT r.table_number, r.reason, r.message FROM pg_temp.restore_refusal AS r ORDER BY r.table_number, r.place`,
  );
  const refused = rows.map(({ table_number: number, reason, message }) =>
    refusal(input.tables[number - 1]!.table, reason, message),
  );
  return { refused, notes: await triggerNotes(source, input) };
}

async function triggerNotes(
  source: pg.Client,
  { tables, noTriggers }: RestoreScriptInput,
): Promise<string[]> {
  const { rows } = await source.query<{ number: number; name: string }>(
    `SELECT g.number, g.name FROM (${triggersSql(tables)}) AS g ORDER BY g.number, g.name`,
  );
  return tables.flatMap(({ table }, index) => {
    const names = new Set(rows.filter(({ number }) => number === index + 1).map(({ name }) => name));
    const how = noTriggers ? 'not fire' : 'fire';
    return names.size === 0
      ? []
      : [`${formatTableName(table)}: triggers will ${how}: ${[...names].join(', ')}`];
  });
}

export interface ApplyOptions {
  readonly store: Queryable;
  readonly openStore: OpenStore;
  readonly signal: AbortSignal;
  /** Resolves when the store has read the source up to the position; throws if it does not in time. */
  readonly catchUp: (lsn: string) => Promise<void>;
  /** Throws if the history concerns further rows by then. */
  readonly recheck: (store: Queryable) => Promise<void>;
  /** Runs the work; cancels its statement on the source when the signal aborts. */
  readonly cancellable: <T>(work: () => Promise<T>) => Promise<T>;
  readonly report?: Report | undefined;
}

/** Throws RESTORE_REFUSED, RESTORE_BUSY, RESTORE_UNCLEAR, RESTORE_STOPPED; nothing was changed except perhaps by RESTORE_UNCLEAR. */
export async function applyRestore(
  source: pg.Client,
  input: RestoreScriptInput,
  { store, openStore, signal, catchUp, recheck, cancellable, report }: ApplyOptions,
): Promise<RestoreOutcome> {
  const { prepare, lock, loads, guard, judge, write, check } = restoreScript(input);
  let outcome: Omit<RestoreOutcome, 'isApplied'>;
  try {
    const work = async (): Promise<typeof outcome> => {
      const seen = await inspectSource(source, input);
      if (seen.refused.length > 0) return { ...seen, conflicts: [], written: [] };
      await runAll(source, prepare, { signal, report, what: 'loading the rows' });
      await runAll(source, lock, { signal, report, what: 'locking the rows' });
      const straight = await straightWay(source, input);
      for (const load of straight === null ? loads : [])
        await copyAcross({ openStore, source }, load, report);
      const comparing = straight === null ? guard : [];
      await runAll(source, comparing, { signal, report, what: 'comparing the rows' });
      const conflicts = await readConflicts(source);
      if (conflicts.length > 0 && !input.skipConflicts) return { ...seen, conflicts, written: [] };
      // the rows are locked: every change of them that was committed before is in the log up to here
      const { rows } = await source.query<{ lsn: string }>(
        'SELECT pg_catalog.pg_current_wal_insert_lsn()::text AS lsn',
      );
      report?.('waiting until a run has read the log up to the locks');
      await catchUp(rows[0]!.lsn);
      await requireSameLineage(store, input);
      await recheck(store);
      const writing = { signal, report, what: 'writing the rows' };
      if (straight === null) await runAll(source, [...judge, ...write], writing);
      else {
        const { before, after } = straightWrite(input, straight.count);
        await runAll(source, before, writing);
        await copyAcross({ openStore, source }, straight, report);
        await runAll(source, after, writing);
      }
      const checking = straight === null ? check : straightCheck(input);
      await runAll(source, checking, { signal, report, what: 'checking the rows' });
      return { ...seen, conflicts, written: await readWritten(source, input) };
    };
    const ended = await runUncommitted(source, () => cancellable(work));
    if (ended.written.length === 0) {
      await source.query('ROLLBACK');
      return { isApplied: false, ...ended };
    }
    stopIfAborted(signal);
    outcome = ended;
  } catch (error) {
    await source.query('ROLLBACK').catch(() => {});
    stopIfAborted(signal, error);
    throw error;
  }
  report?.('committing');
  await commitRestore(source, input);
  return { isApplied: true, ...outcome };
}

async function commitRestore(source: pg.Client, { id }: RestoreScriptInput): Promise<void> {
  let command: string;
  try {
    ({ command } = await source.query('COMMIT'));
  } catch (cause) {
    if (sqlState(cause)?.startsWith('08') === false && sqlState(cause)?.startsWith('57') === false)
      throw restoreError(cause);
    throw new TimewarpError(
      'RESTORE_UNCLEAR',
      'The connection broke during COMMIT: the restore may be applied or not.',
      {
        cause,
        facts: { id },
        remedy: `After the next run, pgtimewarp transactions --by pgtimewarp.restore.id=${id} lists it if it was applied.`,
      },
    );
  }
  if (command !== 'COMMIT')
    throw new TimewarpError('RESTORE_REFUSED', 'The server rolled back instead of committing.');
}

async function runUncommitted<T>(source: pg.Client, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await source.query('ROLLBACK').catch(() => {});
    throw restoreError(error);
  }
}

interface Steps {
  readonly signal?: AbortSignal;
  readonly report?: Report | undefined;
  readonly what?: string;
}

async function runAll(
  source: pg.Client,
  statements: readonly string[],
  { signal, report, what = '' }: Steps = {},
): Promise<void> {
  for (const statement of statements) {
    stopIfAborted(signal);
    report?.(what);
    await source.query(statement);
  }
}

function stopIfAborted(signal: AbortSignal | undefined, cause?: unknown): void {
  if (signal?.aborted === true)
    throw new TimewarpError('RESTORE_STOPPED', 'Stopped before the commit: nothing was changed.', { cause });
}

const RETRY_STATES: ReadonlySet<string> = new Set(['40001', '40P01', '55P03']);

function restoreError(error: unknown): unknown {
  if (error instanceof TimewarpError) return error;
  const state = sqlState(error);
  const { message } = error as Error;
  if (state === null || state === undefined || state.startsWith('08') || state.startsWith('57P'))
    return error;
  if (RETRY_STATES.has(state))
    return new TimewarpError('RESTORE_BUSY', `Nothing was changed: ${message}.`, { cause: error });
  const uniqueSwap = state === '23505' ? 'unique_conflict: ' : '';
  return new TimewarpError('RESTORE_REFUSED', `Nothing was changed: ${uniqueSwap}${message}.`, {
    cause: error,
    facts: { sqlstate: state, own: state === REFUSED_STATE },
  });
}

/** After the locks. null: the rows are written by the statements of the script. */
async function straightWay(source: pg.Client, input: RestoreScriptInput): Promise<BulkLoad | null> {
  const load = straightLoad(input);
  if (load === null) return null;
  const { rows } = await source.query<{ is_straight: boolean }>(isStraightSql(input));
  return rows[0]!.is_straight ? load : null;
}

/** Throws RESTORE_BUSY if the history shows now that a key was used again after its undone change. */
async function requireSameLineage(store: Queryable, input: RestoreScriptInput): Promise<void> {
  for (const { relationId, rows, removed } of input.tables) {
    const known = new Set(rows.filter(({ conflict }) => conflict !== null).map(({ pk }) => pk));
    const { reused } = await keyLineage(store, relationId, rows);
    const touched = removed === null ? [] : await touchedSince(store, removed, 20);
    const later = [...[...reused].filter((pk) => !known.has(pk)), ...touched];
    if (later.length > 0)
      throw new TimewarpError(
        'RESTORE_BUSY',
        `Rows were changed, or removed and inserted again meanwhile: ${later.slice(0, 20).join(', ')}.`,
      );
  }
}

async function readConflicts(source: pg.Client): Promise<RestoreConflict[]> {
  const { rows } = await source.query<{
    schema_name: string;
    table_name: string;
    pk: string;
    reason: string;
    expected: string | null;
    found: string | null;
  }>(
    `SELECT c.schema_name, c.table_name, c.pk, c.reason, c.expected, c.found
       FROM pg_temp.restore_conflict AS c ORDER BY c.table_number, c.n`,
  );
  return rows.map((row) => ({
    schema: row.schema_name,
    table: row.table_name,
    pkText: row.pk,
    reason: row.reason,
    expectedText: row.expected,
    foundText: row.found,
  }));
}

async function readWritten(source: pg.Client, { tables }: RestoreScriptInput): Promise<WrittenTable[]> {
  const { rows } = await source.query<{
    table_number: string;
    inserts: string;
    updates: string;
    deletes: string;
  }>(
    `SELECT w.table_number::text, w.inserts::text, w.updates::text, w.deletes::text
       FROM pg_temp.restore_written AS w ORDER BY w.table_number`,
  );
  return rows.map(({ inserts, updates, deletes }, index) => {
    const { table } = tables[index]!;
    return { schema: table.schema, table: table.name, inserts, updates, deletes };
  });
}
