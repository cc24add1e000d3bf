/**
 * Decides whether a table can be tracked: whether the log identifies its rows by their primary key. Pure: returns the first obstacle.
 */
import type { ErrorCode } from '../../errors/codes.ts';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { formatTableName, quoteIdentifier, type TableName } from '../../pg/identifiers.ts';
import { keyTypeRefusal } from '../../types/key.ts';
import type { Plugin } from '../../types/plugin.ts';
import { whyWritesRefused } from './refused-writes.ts';
import type { TableFacts } from './table-facts.ts';

const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
};

/**
 * The obstacle, with its remedy; null when the table can be tracked.
 * @param wanted the requested name, for messages: `facts` is null if the source has no such table
 * @param plugin the output plugin of the node: pgoutput needs a publication
 */
export function whyNotTrackable(
  facts: TableFacts | null,
  wanted: TableName,
  plugin: Plugin,
): TimewarpError | null {
  const table = formatTableName(wanted);
  const refuse: Refuse = (code, why, remedy) =>
    new TimewarpError(code, why, { facts: { table }, ...(remedy === undefined ? {} : { remedy }) });
  if (facts === null) return refuse('TABLE_UNKNOWN', `The source has no table ${table}.`);
  return whyNotInLog(facts, wanted, plugin) ?? policyObstacle(facts, table, refuse);
}

/**
 * Why the log does not contain every change of a table with its primary key; null if it does. (The log also contains rows that a policy
 * hides from us.)
 */
export function whyNotInLog(facts: TableFacts, name: TableName, plugin: Plugin): TimewarpError | null {
  const table = formatTableName(name);
  const refuse: Refuse = (code, why, remedy) =>
    new TimewarpError(code, why, { facts: { table }, ...(remedy === undefined ? {} : { remedy }) });
  return (
    kindObstacle(facts, table, refuse) ??
    keyObstacle(facts, table, refuse) ??
    identityObstacle(facts, table, refuse) ??
    (plugin === 'pgoutput' ? publishedObstacle(facts, table, refuse) : null)
  );
}

type Refuse = (code: ErrorCode, why: string, remedy?: string) => TimewarpError;

function kindObstacle(facts: TableFacts, table: string, refuse: Refuse): TimewarpError | null {
  if (facts.relkind !== 'r' && facts.relkind !== 'p') {
    const kind = KINDS[facts.relkind] ?? 'not a table';
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `${table} is ${kind}; only tables are written to the log.`,
      'Track the tables behind it.',
    );
  }
  if (
    facts.schema === 'information_schema' ||
    facts.schema === 'pgtimewarp' ||
    facts.schema.startsWith('pg_')
  ) {
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `${table} is in the schema ${facts.schema}, which is not tracked.`,
      'Track tables of your own.',
    );
  }
  if (facts.isHypertable) {
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `${table} is a hypertable of TimescaleDB: its rows are in chunks, which have their own names in the log.`,
      'Track tables that are not hypertables.',
    );
  }
  if (facts.partitionRoot !== null) {
    const root = formatTableName(facts.partitionRoot);
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `${table} is a partition of ${root}.`,
      `Track the whole table: pgtimewarp track ${root}`,
    );
  }
  const foreign = facts.leaves.find((leaf) => leaf.relkind === 'f');
  if (foreign !== undefined) {
    const leaf = formatTableName(foreign);
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `The partition ${leaf} of ${table} is a foreign table, which this server does not log.`,
      `Detach ${leaf}.`,
    );
  }
  const unlogged = facts.persistence === 'p' ? facts.leaves.find((leaf) => leaf.persistence !== 'p') : facts;
  if (unlogged !== undefined) {
    const name = formatTableName(unlogged);
    return unlogged.persistence === 't'
      ? refuse(
          'TABLE_NOT_TRACKABLE',
          `${name} is a temporary table, which is not written to the log.`,
          'Track a permanent table.',
        )
      : refuse(
          'TABLE_NOT_TRACKABLE',
          `${name} is UNLOGGED, so its changes are not written to the log.`,
          `ALTER TABLE ${name} SET LOGGED;`,
        );
  }
  return null;
}

function policyObstacle(facts: TableFacts, table: string, refuse: Refuse): TimewarpError | null {
  return facts.rowSecurity
    ? refuse(
        'TABLE_NOT_TRACKABLE',
        `${table} has row-level security, whose policies hide rows from the role of --source. The log contains all rows.`,
        'As superuser on the source: ALTER ROLE … BYPASSRLS, for the role of --source.',
      )
    : null;
}

function keyObstacle(facts: TableFacts, table: string, refuse: Refuse): TimewarpError | null {
  if (facts.key.length === 0) {
    return refuse(
      'NO_PRIMARY_KEY',
      `${table} has no primary key.`,
      `ALTER TABLE ${table} ADD PRIMARY KEY (…); then track it.`,
    );
  }
  for (const column of facts.key) {
    const where = `The key column ${quoteIdentifier(column.name)} (${column.typeName}) of ${table}`;
    const refusal = keyTypeRefusal(column.kind);
    if (refusal !== null)
      return refuse('KEY_TYPE_REFUSED', `${where} cannot be looked up by text: ${refusal}.`);
    if (!column.deterministicCollation) {
      return refuse(
        'KEY_TYPE_REFUSED',
        `${where} has a nondeterministic collation: texts that differ can be the same key.`,
        'Give the column a deterministic collation, for example COLLATE "C".',
      );
    }
  }
  return null;
}

/** The log must have the primary key of old rows: by REPLICA IDENTITY DEFAULT, FULL, or an index that is the primary key. */
function identityObstacle(facts: TableFacts, table: string, refuse: Refuse): TimewarpError | null {
  const remedy = (name: string): string => `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`;
  if (facts.replicaIdentity === 'n') {
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `${table} has REPLICA IDENTITY NOTHING, so deletions come without a key.`,
      remedy(table),
    );
  }
  if (facts.replicaIdentity === 'i' && !facts.identityIsPrimaryKey) {
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `${table} has another index than its primary key as REPLICA IDENTITY.`,
      remedy(table),
    );
  }
  if (facts.deferrableKey !== null) {
    const columns = facts.key.map(({ name }) => quoteIdentifier(name)).join(', ');
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `The primary key of ${table} is DEFERRABLE: the server does not use it as replica identity.`,
      `ALTER TABLE ${table} DROP CONSTRAINT ${quoteIdentifier(facts.deferrableKey)}, ADD PRIMARY KEY (${columns});`,
    );
  }
  const leaf = facts.leaves.find((each) => each.replicaIdentity === 'n');
  if (leaf === undefined) return keyIndexObstacle(facts, table, refuse);
  const name = formatTableName(leaf);
  return refuse(
    'TABLE_NOT_TRACKABLE',
    `The partition ${name} of ${table} has REPLICA IDENTITY NOTHING.`,
    remedy(name),
  );
}

/** An index that is being built, invalid or gone gives no replica identity: the log then lacks rows, or the server refuses writes. */
function keyIndexObstacle(facts: TableFacts, table: string, refuse: Refuse): TimewarpError | null {
  const holders = facts.relkind === 'p' ? facts.leaves : [facts];
  const holder = holders.find(({ identity }) => identity === 'none' || identity === 'other');
  if (holder === undefined) return null;
  const name = formatTableName(holder);
  const what = holder === facts ? table : `The partition ${name} of ${table}`;
  return refuse(
    'TABLE_NOT_TRACKABLE',
    holder.identity === 'none'
      ? `${what} has no valid index for its primary key: updates and deletions come without a key.`
      : `${what} has another index than its primary key as REPLICA IDENTITY.`,
    `Give ${name} a valid primary key, and: ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`,
  );
}

/** The publication must not make the server refuse writes of the application, and must show the key. */
function publishedObstacle(facts: TableFacts, table: string, refuse: Refuse): TimewarpError | null {
  const refused = whyWritesRefused(facts);
  if (refused !== null) {
    return refuse(
      'TABLE_NOT_TRACKABLE',
      `${refused.why}: while ${table} is published, the server refuses UPDATE and DELETE.`,
      `${refused.remedy} Or track the table in a node with wal2json, which needs no publication.`,
    );
  }
  const key = new Set(facts.key.map(({ name }) => name));
  const generated = facts.columns.find((column) => key.has(column.name) && column.generated !== '');
  if (generated === undefined || facts.publishesGenerated) return null;
  return refuse(
    'TABLE_NOT_TRACKABLE',
    `The key column ${quoteIdentifier(generated.name)} of ${table} is generated: before PostgreSQL 18 pgoutput leaves it out.`,
    'Track the table in a node with wal2json, or upgrade the source to PostgreSQL 18.',
  );
}
