/**
 * Plans a restore from the store: what is to be undone, and the columns of its tables. It refuses what the history cannot put back
 * exactly. Writes nothing. The plan has the input of the script. Whether the source can take the rows, and which are in conflict, is
 * looked up there by the script itself, so a plan needs no source.
 */
import { randomUUID } from 'node:crypto';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import { type Instant, instantParameters, parseInstant } from '../query/instant.ts';
import { openTable } from '../query/table-rows.ts';
import type { TransactionSummary } from '../query/transactions.ts';
import { formatLsn, parseLsn } from '../types/lsn.ts';
import { type ChosenRows, changesSince } from './changes-since.ts';
import { foldChanges, type RowRestore } from './fold-changes.ts';
import { withLaterTransactions } from './later-transactions.ts';
import type { PlanSource } from './plan-source.ts';
import { type RemovedBy, type RemovedRows, removedRows } from './removed-rows.ts';
import { renamedColumns } from './renamed-columns.ts';
import type { RestoreScriptInput, TableRestore } from './restore-input.ts';
import type { Refusal } from './restore-result.ts';
import { retypedColumns, retypedInBulk } from './retyped-columns.ts';
import { isJsonColumn, type TableNow } from './table-now.ts';
import {
  type Bounds,
  type HistoryFacts,
  historyFacts,
  keyLineage,
  tooManyRows,
  type UndoneChange,
  undoneChanges,
  unknownRow,
} from './undone-changes.ts';

/** What is undone: transactions, or all that happened to rows of a table since an instant. */
export type Undo =
  | { readonly kind: 'transactions'; readonly transactions: readonly TransactionSummary[] }
  | {
      readonly kind: 'table';
      readonly table: TableName;
      readonly at: Instant;
      readonly rows: ChosenRows;
    };

export interface RestoreRequest extends Bounds {
  readonly node: string;
  readonly undo: Undo;
  readonly skipConflicts: boolean;
  readonly noTriggers: boolean;
  readonly lockTimeoutMs: number;
  /** Undoes later transactions of the same rows as well. */
  readonly cascade?: boolean | undefined;
  /** Columns without a known value get their defaults in rows that are inserted. */
  readonly defaults?: boolean | undefined;
  /** So many rows that a TRUNCATE removed come back in bulk: the plan only counts them, and `sql` cannot hold them. Missing: never. */
  readonly bulkFrom?: number | undefined;
}

export interface RestorePlan {
  readonly id: string;
  /** Commit LSNs of undone transactions. */
  readonly of: readonly string[];
  /** Those of them that --cascade added, newest first. */
  readonly takenAlong: readonly TransactionSummary[];
  /** The instant whose rows are put back. null: transactions are undone. */
  readonly asOf: string | null;
  /** null: the plan is refused. */
  readonly script: RestoreScriptInput | null;
  readonly tables: readonly TableRestore[];
  readonly refused: readonly Refusal[];
  /** What the user should know: triggers that fire, columns that are left out. */
  readonly notes: readonly string[];
  /** Throws RESTORE_BUSY if the history shows by now that further rows are concerned. */
  readonly recheck: (store: Queryable) => Promise<void>;
}

/**
 * Throws what the questions throw, ROWS_UNKNOWN, VALUES_UNKNOWN, BAD_FLAGS.
 * @param source whose columns are taken; null: the columns that the last run found
 */
export async function planRestore(
  { store, source }: { readonly store: Queryable; readonly source: PlanSource | null },
  request: RestoreRequest,
): Promise<RestorePlan> {
  const facts = await nodeFacts(store, request.node);
  if (source !== null) await source.requireDatabase(facts);
  const undone = await readUndone({ store, source }, request, facts.horizonLsn);
  const { changes, subject, removed } = undone;
  const refused: Refusal[] = [];
  const notes: string[] = [];
  const tables: TableRestore[] = [];
  const byRelation = new Map<string, UndoneChange[]>();
  for (const change of changes) {
    const ofRelation = byRelation.get(change.relationId);
    if (ofRelation === undefined) byRelation.set(change.relationId, [change]);
    else ofRelation.push(change);
  }
  for (const { relationId } of removed) if (!byRelation.has(relationId)) byRelation.set(relationId, []);
  for (const history of await historyFacts(store, [...byRelation.keys()])) {
    const ofTable = byRelation.get(history.relationId)!;
    const inBulk = removed.find(({ relationId }) => relationId === history.relationId) ?? null;
    const { table } = ofTable[0] ?? inBulk!;
    const first = undone.fromLsn ?? inBulk?.asOfLsn ?? formatLsn(ofTable[0]!.lsn);
    const now = source === null ? history.lastSeen : await source.table(table);
    const reasons = tableRefusals(history, now, { changes: ofTable, fromLsn: undone.fromLsn, first });
    const retyped = retypedColumns(history, now, first);
    if (inBulk !== null && retyped.length > 0) reasons.push(retypedInBulk(retyped));
    const planned =
      now === null
        ? null
        : await tableRestore(store, {
            table,
            history,
            now,
            ofTable,
            inBulk,
            notes,
            reasons,
            retyped,
            takesDefaults: request.defaults === true,
          });
    refused.push(...reasons.map(([reason, message]) => refusal(table, reason, message)));
    if (planned !== null && (planned.rows.length > 0 || inBulk !== null)) tables.push(planned);
  }
  const id = randomUUID();
  const { of, takenAlong, asOf, recheck } = undone;
  if (undone.untilLsn !== null)
    notes.push(
      `The history is known up to ${undone.untilLsn}: rows that were changed later are not in the plan.`,
    );
  return {
    ...{ id, of, takenAlong, asOf, tables, refused, notes },
    recheck: (again) => recheck(again, tables),
    script:
      refused.length > 0 || tables.length === 0
        ? null
        : {
            ...{ id, subject, tables },
            mark: { id, ...(asOf === null ? { of } : { as_of: asOf }) },
            database: facts.database,
            systemIdentifier: facts.systemIdentifier,
            horizonLsn: undone.untilLsn ?? facts.horizonLsn,
            trackedOids: facts.trackedOids,
            skipConflicts: request.skipConflicts,
            noTriggers: request.noTriggers,
            lockTimeoutMs: request.lockTimeoutMs,
          },
  };
}

interface Undone {
  readonly changes: readonly UndoneChange[];
  /** Rows that come back in bulk. They are in no change. */
  readonly removed: readonly RemovedRows[];
  readonly of: readonly string[];
  readonly takenAlong: readonly TransactionSummary[];
  readonly asOf: string | null;
  /** In words, after "puts back". */
  readonly subject: string;
  /** null: from the first change on, up to the horizon of the node. */
  readonly fromLsn: string | null;
  readonly untilLsn: string | null;
  readonly recheck: (store: Queryable, tables: readonly TableRestore[]) => Promise<void>;
}

async function readUndone(
  { store, source }: { readonly store: Queryable; readonly source: PlanSource | null },
  { node, undo, maxRows, maxSize, report, cascade, defaults, bulkFrom }: RestoreRequest,
  horizonLsn: string,
): Promise<Undone> {
  const inBulk = async (by: RemovedBy): Promise<readonly RemovedRows[]> =>
    bulkFrom === undefined || cascade === true || defaults === true
      ? []
      : await removedRows(store, { node, by, untilLsn: horizonLsn, atLeast: bulkFrom });
  const boundsBeside = (removed: readonly RemovedRows[]): Bounds => {
    const left = removed.reduce((rows, { count }) => rows - count, maxRows);
    if (left < 0) throw tooManyRows(maxRows);
    return { maxRows: left, asked: maxRows, maxSize, report };
  };
  if (undo.kind === 'transactions') {
    const removed = await inBulk(undo);
    const rewritten = removed.map(({ relationId }) => relationId);
    const named = { node, transactions: undo.transactions, rewritten, ...boundsBeside(removed) };
    const { transactions, takenAlong, changes } =
      cascade === true
        ? await withLaterTransactions({ store, source }, { ...named, horizonLsn })
        : { ...named, takenAlong: [], changes: await undoneChanges(store, named) };
    await requireWholeTransactions(store, { node, transactions }, changes);
    const of = transactions.map(({ lsn }) => lsn);
    const subject = `what the ${of.length === 1 ? 'transaction' : 'transactions'} ${of.join(', ')} changed`;
    return {
      changes,
      removed,
      of,
      takenAlong,
      asOf: null,
      subject,
      fromLsn: null,
      untilLsn: null,
      recheck: async () => {},
    };
  }
  const { table, at } = undo;
  const name = formatTableName(table);
  const chosen = { node, ...undo, maxRows, maxSize, report };
  const begin =
    undo.rows.kind === 'all' && bulkFrom !== undefined ? await openTable(store, { node, table, at }) : null;
  const removed = begin === null ? [] : await inBulk({ kind: 'since', table, fromLsn: begin.lsn });
  const writtenOnly = removed.length > 0;
  const since = await changesSince(store, { ...chosen, ...boundsBeside(removed), writtenOnly });
  const asOf = instantParameters(at)[2] ?? since.fromLsn;
  return {
    ...since,
    removed,
    ...{ of: [], takenAlong: [], asOf, subject: `rows of ${name.replaceAll(/\s/g, ' ')} as of ${asOf}` },
    recheck: async (again, tables) => {
      const later = await changesSince(again, { ...chosen, at: parseInstant(since.untilLsn) });
      const planned = new Set(tables.flatMap(({ rows }) => rows.map(({ pk }) => pk)));
      const others = later.changes.filter(({ pk }) => !planned.has(pk));
      if (others.length === 0) return;
      const keys = others.slice(0, 20).map(({ pkText }) => pkText);
      throw new TimewarpError(
        'RESTORE_BUSY',
        `Further rows of ${name} were changed meanwhile: ${keys.join(', ')}.`,
      );
    },
  };
}

export function refusal(table: TableName, reason: string, message: string): Refusal {
  return { schema: table.schema, table: table.name, reason, message };
}

type Reasons = [reason: string, message: string][];

/** Why the history of the table cannot be put back into the table as it is now. */
function tableRefusals(
  history: HistoryFacts,
  now: TableNow | null,
  undone: Parameters<typeof renamedColumns>[2],
): Reasons {
  if (now === null) return [['table_missing', 'The source has no table of this name any more.']];
  if (!history.isTracked || history.relid !== `${now.oid}`)
    return [['table_recreated', 'It is not tracked now, or another table has its name.']];
  const renamed = renamedColumns(history, now, undone);
  if (renamed.length === 0) return [];
  return [
    [
      'columns_renamed',
      `Columns were renamed, or got the name of another column, after the transaction: ${renamed.join(', ')}.`,
    ],
  ];
}

interface TableInput {
  readonly table: TableName;
  readonly history: HistoryFacts;
  readonly now: TableNow;
  readonly ofTable: readonly UndoneChange[];
  readonly inBulk: RemovedRows | null;
  readonly notes: string[];
  readonly reasons: Reasons;
  readonly retyped: readonly string[];
  readonly takesDefaults: boolean;
}

/** The rows of one table. Adds to reasons and notes. */
async function tableRestore(store: Queryable, input: TableInput): Promise<TableRestore> {
  const { table, history, now, ofTable, inBulk, notes, reasons, takesDefaults } = input;
  const [writable, generated] = [true, false].map((isWritable) =>
    now.columns.filter(({ generated: how }) => (how === '') === isWritable).map(({ name }) => name),
  ) as [string[], string[]];
  const folded = foldChanges(ofTable, history.keyColumns);
  const inserted = new Set(folded.filter(({ op }) => takesDefaults && op === 'insert').map(({ pk }) => pk));
  const unknown = new Map<string, string[]>();
  for (const { pk, pkText, incomplete } of ofTable) {
    const columns = incomplete.filter((name) => writable.includes(name) && !history.excluded.includes(name));
    if (columns.length === 0) continue;
    if (!inserted.has(pk)) throw unknownRow({ table, pkText, columns });
    unknown.set(pk, [...(unknown.get(pk) ?? []), ...columns]);
  }
  const lineage = await keyLineage(store, history.relationId, folded);
  const rows: RowRestore[] = [];
  const dropped = new Set(
    inBulk?.names.filter((name) => !writable.includes(name) && !generated.includes(name)),
  );
  const unread = inBulk === null ? [] : writable.filter((name) => !inBulk.names.includes(name));
  if (unread.length > 0) addReason(reasons, ...unknownColumns(unread));
  const defaulted = new Set<string>();
  for (const row of folded) {
    for (const side of [row.expected, row.target])
      for (const name of side?.keys() ?? [])
        if (!writable.includes(name) && !generated.includes(name)) dropped.add(name);
    const columns = row.columns.filter((name) => writable.includes(name));
    if (row.op === 'update' && columns.length === 0) continue;
    if (lineage.jsonNull.has(row.pk) && now.columns.some(isJsonColumn))
      addReason(
        reasons,
        'json_null',
        'A row holds the JSON value null, which a script cannot tell from NULL.',
      );
    const side = row.op === 'insert' ? row.target : row.expected;
    const lacking = writable.filter(
      (name) => side?.has(name) !== true || unknown.get(row.pk)?.includes(name) === true,
    );
    const defaults = takesDefaults && row.op === 'insert' ? lacking : [];
    for (const name of defaults) defaulted.add(name);
    if (row.op !== 'update' && lacking.length > defaults.length && side !== null)
      addReason(reasons, ...unknownColumns(lacking));
    rows.push({
      ...row,
      columns,
      defaults,
      conflict: row.conflict ?? (lineage.reused.has(row.pk) ? 'key_reused' : null),
    });
  }
  const updateColumns = [...new Set(rows.flatMap(({ columns }) => columns))];
  const name = formatTableName(table);
  if (dropped.size > 0)
    notes.push(`${name}: columns that were removed since are left out: ${[...dropped].join(', ')}`);
  if (defaulted.size > 0) notes.push(`${name}: columns get their defaults: ${[...defaulted].join(', ')}`);
  return {
    relationId: history.relationId,
    table,
    now,
    keyColumns: history.keyColumns,
    rowColumns: writable,
    updateColumns,
    rows,
    retyped: input.retyped,
    removed: inBulk,
  };
}

const unknownColumns = (names: readonly string[]): [reason: string, message: string] => [
  'unknown_columns',
  `A row that is inserted or deleted has no known values of ${names.join(', ')}: excluded from the history, or added since.`,
];

function addReason(reasons: Reasons, reason: string, message: string): void {
  if (!reasons.some(([given]) => given === reason)) reasons.push([reason, message]);
}

interface NodeFacts {
  readonly systemIdentifier: string;
  readonly database: string;
  readonly horizonLsn: string;
  readonly trackedOids: readonly string[];
}

async function nodeFacts(store: Queryable, node: string): Promise<NodeFacts> {
  const { rows } = await store.query<{
    system_identifier: string;
    database_name: string;
    applied_lsn: string;
    oids: readonly string[];
  }>(
    `SELECT n.system_identifier, n.database_name, c.applied_lsn::text, ARRAY(
              SELECT t.relid::text FROM pgtimewarp.tracked_relations AS t WHERE t.node_id = n.node_id AND t.relid IS NOT NULL) AS oids
       FROM pgtimewarp.nodes AS n JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = n.node_id
      WHERE n.node_id = $1`,
    [node],
  );
  const [row] = rows;
  if (row === undefined) throw new TimewarpError('NODE_UNKNOWN', `The store has no node "${node}".`);
  return {
    systemIdentifier: row.system_identifier,
    database: row.database_name,
    horizonLsn: row.applied_lsn,
    trackedOids: row.oids,
  };
}

interface SummaryTable {
  readonly schema: string;
  readonly table: string;
  readonly truncates: number;
}

/** Throws ROWS_UNKNOWN unless every change of the transactions was read, and every row that a TRUNCATE removed is known. */
async function requireWholeTransactions(
  store: Queryable,
  { node, transactions }: { readonly node: string; readonly transactions: readonly TransactionSummary[] },
  changes: readonly UndoneChange[],
): Promise<void> {
  for (const { lsn, rows, tablesText } of transactions) {
    const read = changes.filter((change) => change.op !== 'T' && formatLsn(change.lsn) === lsn).length;
    if (`${read}` !== rows)
      throw new TimewarpError(
        'ROWS_UNKNOWN',
        `Of the transaction ${lsn}, ${read} of ${rows} changes are known.`,
      );
    // names and counts, no values of rows
    for (const { schema, table, truncates } of JSON.parse(tablesText) as SummaryTable[]) {
      if (truncates === 0) continue;
      const before = formatLsn((parseLsn(lsn) - 1n) as ReturnType<typeof parseLsn>);
      await openTable(store, { node, table: { schema, name: table }, at: parseInstant(before) });
    }
  }
}
