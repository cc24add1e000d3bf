/**
 * Plans a restore: reads what is to be undone from the store and the tables from the source, and refuses what it cannot put back
 * exactly. Writes nothing. The plan has the input of the script; whether rows are in conflict is looked up by the script's own guard.
 */
import { randomUUID } from 'node:crypto';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import { isLacking } from '../pg/lacking.ts';
import { parseInstant } from '../query/instant.ts';
import { openTable } from '../query/table-rows.ts';
import type { TransactionSummary } from '../query/transactions.ts';
import { formatLsn, parseLsn } from '../types/lsn.ts';
import { foldChanges, type RowRestore } from './fold-changes.ts';
import type { RestoreScriptInput, TableRestore } from './restore-script.ts';
import { type SourceTable, sourceTable } from './source-tables.ts';
import {
  type HistoryFacts,
  historyFacts,
  keyLineage,
  type UndoneChange,
  undoneChanges,
  unknownRow,
} from './undone-changes.ts';

export interface RestoreRequest {
  readonly node: string;
  /** What is undone. */
  readonly transactions: readonly TransactionSummary[];
  readonly maxRows: number;
  readonly skipConflicts: boolean;
  readonly lockTimeoutMs: number;
}

/** Why something cannot be restored. */
export interface Refusal {
  readonly schema: string;
  readonly table: string;
  readonly reason: string;
  readonly message: string;
}

export interface RestorePlan {
  readonly id: string;
  readonly of: readonly string[];
  /** null: the plan is refused. */
  readonly script: RestoreScriptInput | null;
  readonly tables: readonly TableRestore[];
  readonly refused: readonly Refusal[];
  /** What the user should know: triggers that fire, columns that are left out. */
  readonly notes: readonly string[];
}

/** Throws what the questions throw, ROWS_UNKNOWN, VALUES_UNKNOWN, BAD_FLAGS, SOURCE_MISMATCH. */
export async function planRestore(
  { store, source }: { readonly store: Queryable; readonly source: Queryable },
  request: RestoreRequest,
): Promise<RestorePlan> {
  const { node, transactions } = request;
  const facts = await nodeFacts(store, node);
  await requireSameDatabase(source, facts);
  const changes = await undoneChanges(store, request);
  await requireWholeTransactions(store, request, changes);
  const refused: Refusal[] = [];
  const notes: string[] = [];
  const tables: TableRestore[] = [];
  const byRelation = new Map<string, UndoneChange[]>();
  for (const change of changes) {
    const ofRelation = byRelation.get(change.relationId);
    if (ofRelation === undefined) byRelation.set(change.relationId, [change]);
    else ofRelation.push(change);
  }
  for (const history of await historyFacts(store, [...byRelation.keys()])) {
    const ofTable = byRelation.get(history.relationId)!;
    const { table } = ofTable[0]!;
    const now = await sourceTable(source, table);
    const reasons = tableRefusals({ history, now, first: formatLsn(ofTable[0]!.lsn) });
    const planned =
      now === null ? null : await tableRestore(store, { table, history, now, ofTable, notes, reasons });
    refused.push(...reasons.map(([reason, message]) => refusal(table, reason, message)));
    if (planned !== null && planned.rows.length > 0) tables.push(planned);
  }
  const id = randomUUID();
  const of = transactions.map(({ lsn }) => lsn);
  return {
    ...{ id, of, tables, refused, notes },
    script:
      refused.length > 0 || tables.length === 0
        ? null
        : {
            ...{ id, of, tables },
            database: facts.database,
            systemIdentifier: facts.systemIdentifier,
            horizonLsn: facts.horizonLsn,
            trackedOids: facts.trackedOids,
            skipConflicts: request.skipConflicts,
            lockTimeoutMs: request.lockTimeoutMs,
          },
  };
}

function refusal(table: TableName, reason: string, message: string): Refusal {
  return { schema: table.schema, table: table.name, reason, message };
}

type Reasons = [reason: string, message: string][];

/** Why the table as it is now cannot take rows of its history back. */
function tableRefusals({
  history,
  now,
  first,
}: {
  readonly history: HistoryFacts;
  readonly now: SourceTable | null;
  readonly first: string;
}): Reasons {
  if (now === null) return [['table_missing', 'The source has no table of this name any more.']];
  const reasons: Reasons = [];
  if (!history.isTracked || history.relid !== now.oid)
    reasons.push(['table_recreated', 'It is not tracked now, or another table has its name.']);
  if (history.namedLsn !== null && parseLsn(history.namedLsn) >= parseLsn(first))
    reasons.push(['columns_renamed', 'A column was renamed or changed after the transaction.']);
  if (now.relkind !== 'r' && now.relkind !== 'p')
    reasons.push(['not_a_table', 'Only ordinary and partitioned tables can be restored.']);
  if (now.hasRules) reasons.push(['rules', 'It has rules, which change what is written.']);
  if (now.hasInheritance) reasons.push(['inheritance', 'It inherits, is inherited from, or is a partition.']);
  if (now.isFiltered) reasons.push(['row_security', 'Policies filter its rows. Use a role with BYPASSRLS.']);
  const keyTypes = now.columns.filter(
    ({ name, isForeignType }) => isForeignType && history.keyColumns.includes(name),
  );
  if (keyTypes.length > 0) reasons.push(['key_type', 'A key column has a type that is not built in.']);
  if (!now.mayWrite)
    reasons.push([
      'missing_rights',
      'The login of --source may not read, insert, update and delete there. Name a login that may.',
    ]);
  return reasons;
}

interface TableInput {
  readonly table: TableName;
  readonly history: HistoryFacts;
  readonly now: SourceTable;
  readonly ofTable: readonly UndoneChange[];
  readonly notes: string[];
  readonly reasons: Reasons;
}

/** The rows of one table. Adds to reasons and notes. */
async function tableRestore(store: Queryable, input: TableInput): Promise<TableRestore> {
  const { table, history, now, ofTable, notes, reasons } = input;
  const writable = now.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name);
  for (const { pkText, incomplete } of ofTable) {
    const columns = incomplete.filter((name) => writable.includes(name) && !history.excluded.includes(name));
    if (columns.length > 0) throw unknownRow({ table, pkText, columns });
  }
  const folded = foldChanges(ofTable, history.keyColumns);
  const lineage = await keyLineage(store, history.relationId, folded);
  const jsonColumns = now.columns.filter(({ isJson }) => isJson).map(({ name }) => name);
  const rows: RowRestore[] = [];
  const dropped = new Set<string>();
  const generated = new Set(now.columns.filter(({ isGenerated }) => isGenerated).map(({ name }) => name));
  for (const row of folded) {
    for (const side of [row.expected, row.target])
      for (const name of side?.keys() ?? [])
        if (!writable.includes(name) && !generated.has(name)) dropped.add(name);
    const columns = row.columns.filter((name) => writable.includes(name));
    if (row.op === 'update' && columns.length === 0) continue;
    if (lineage.jsonNull.has(row.pk) && jsonColumns.length > 0)
      addReason(
        reasons,
        'json_null',
        'A row holds the JSON value null, which a script cannot tell from NULL.',
      );
    const side = row.op === 'insert' ? row.target : row.expected;
    const lacking = writable.filter((name) => side?.has(name) !== true);
    if (row.op !== 'update' && lacking.length > 0 && side !== null)
      addReason(
        reasons,
        'unknown_columns',
        `A row that is inserted or deleted has no known values of ${lacking.join(', ')}: excluded from the history, or added since.`,
      );
    rows.push({
      ...row,
      columns,
      conflict: row.conflict ?? (lineage.reused.has(row.pk) ? 'key_reused' : null),
    });
  }
  const updateColumns = [...new Set(rows.flatMap(({ columns }) => columns))];
  const always = now.columns.filter(
    ({ name, isAlwaysIdentity }) => isAlwaysIdentity && updateColumns.includes(name),
  );
  if (always.length > 0)
    addReason(reasons, 'identity_always', 'A column GENERATED ALWAYS AS IDENTITY cannot be updated.');
  const name = formatTableName(table);
  if (dropped.size > 0)
    notes.push(`${name}: columns that were removed since are left out: ${[...dropped].join(', ')}`);
  if (now.triggers.length > 0) notes.push(`${name}: triggers will fire: ${now.triggers.join(', ')}`);
  return {
    relationId: history.relationId,
    table,
    source: now,
    keyColumns: history.keyColumns,
    rowColumns: writable,
    updateColumns,
    rows,
  };
}

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

/** A script for another database would compare rows of that one. */
async function requireSameDatabase(source: Queryable, facts: NodeFacts): Promise<void> {
  const { rows } = await source.query<{ database: string }>(
    'SELECT pg_catalog.current_database()::text AS database',
  );
  const identifier = await source
    .query<{ identifier: string }>(
      'SELECT s.system_identifier::text AS identifier FROM pg_catalog.pg_control_system() AS s',
    )
    .then(
      (found) => found.rows[0]!.identifier,
      (error: unknown) => {
        if (isLacking(error)) return null; // the script asks too, and tolerates the same
        throw error;
      },
    );
  if (
    (identifier ?? facts.systemIdentifier) === facts.systemIdentifier &&
    rows[0]!.database === facts.database
  )
    return;
  throw new TimewarpError('BAD_FLAGS', 'The --source is not the database that the node observes.', {
    remedy: `Name the database ${facts.database} on the server of the node, with a login that may write.`,
  });
}

interface SummaryTable {
  readonly schema: string;
  readonly table: string;
  readonly truncates: number;
}

/** Throws ROWS_UNKNOWN unless every change of the transactions was read, and every row that a TRUNCATE removed is known. */
async function requireWholeTransactions(
  store: Queryable,
  { node, transactions }: Pick<RestoreRequest, 'node' | 'transactions'>,
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
