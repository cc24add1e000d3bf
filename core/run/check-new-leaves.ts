/**
 * A leaf that is new to us was created empty, and then the log tells of every row in it, or it was attached with rows,
 * which is a silent change. Its first keys are read before the end of WAL is; once everything up to there is applied, each must
 * have a change that is not older than the partition. Where there are more rows, each says itself when it was written. One
 * that cannot be read by itself (a right to the table is none to its partitions) counts as attached with rows, unless it
 * is empty: reading the table again, which is done from the root, tells.
 */
import type pg from 'pg';
import { readBaselineChunk } from '../baseline/read-chunk.ts';
import type { Queryable } from '../pg/connection.ts';
import { fromDatabaseError } from '../pg/database-error.ts';
import { formatTableName, quoteOwnRows, type TableName } from '../pg/identifiers.ts';
import { readTypeCatalog } from '../slot/table-facts.ts';
import type { Claim } from '../store/claim.ts';
import { firstSeenWithRows, markLeafChecked } from '../store/leaves.ts';
import { askRepair, recordRelationLoss } from '../store/repairs.ts';
import { parseCommitTime } from '../types/commit-time.ts';
import { parseLsn } from '../types/lsn.ts';
import type { Plugin } from '../types/plugin.ts';
import { isOfTable } from './table-failure.ts';
import { leavesNow, type RelationNow } from './tables-of-run.ts';
import { unlessChanged } from './unless-changed.ts';

const KEYS_READ = 10_000;

export interface NewLeaf {
  readonly relationId: number;
  readonly relid: number;
  readonly name: TableName;
  /** Through wal2json, which may tell of what came before; none through pgoutput, which tells of partitions only. */
  readonly attachedBy: readonly string[];
  readonly keys: readonly string[];
  /** It holds a row that was written before the partition was attached, or may hold one. */
  readonly hasOlderRows: boolean;
  /** Why its rows could not be read; null: they were. */
  readonly unread: string | null;
}

/** Reads the first keys of leaves that are not known to have come empty. Call it before the end of WAL is read. */
export async function readNewLeaves(
  source: pg.Client,
  relations: readonly RelationNow[],
  plugin: Plugin,
): Promise<NewLeaf[]> {
  const news: NewLeaf[] = [];
  for (const now of relations) {
    const { relation, facts } = now;
    if (facts === null || relation.status === 'starting') continue;
    const unchecked = leavesNow(now).filter(
      (leaf) => !leaf.fromTheStart || relation.uncheckedLeaves.includes(leaf.relid),
    );
    for (const { name, relid } of unchecked) {
      const { attachedBy } = facts.leaves.find((leaf) => leaf.relid === relid)!;
      if (attachedBy === '') continue; // it is being detached: the next run says so
      const isByName = plugin === 'wal2json';
      const read = await readLeaf(source, now, { name, relid, isByName });
      if (read === null) continue; // the next run looks at it
      const by = isByName ? attachedBy.split(' ') : [];
      news.push({ ...{ relationId: relation.relationId, relid, name, attachedBy: by }, ...read });
    }
  }
  return news;
}

interface Leaf {
  readonly name: TableName;
  readonly relid: number;
  readonly isByName: boolean;
}

/** @returns null when the table is another one by now, or has another key, which is reported elsewhere */
async function readLeaf(
  source: pg.Client,
  now: RelationNow,
  leaf: Leaf,
): Promise<Pick<NewLeaf, 'keys' | 'hasOlderRows' | 'unread'> | null> {
  const keyColumns = now.relation.keyColumns;
  const columns = now.facts!.columns.filter((column) => keyColumns.includes(column.name));
  if (columns.length < keyColumns.length || now.facts!.key.length === 0) return null;
  const types = await readTypeCatalog(source);
  try {
    const chunk = await unlessChanged(source, now, () =>
      readBaselineChunk(source, {
        facts: { ...now.facts!, ...leaf.name, columns },
        keyColumns,
        excludedColumns: [],
        types,
        cursor: null,
        limit: KEYS_READ,
      }),
    );
    if (chunk === null) return null;
    const older = chunk.isLast ? false : await unlessChanged(source, now, () => hasOlderRows(source, leaf));
    if (older === null) return null;
    return { keys: chunk.rows.map(({ key }) => key), hasOlderRows: older, unread: null };
  } catch (error) {
    const failure = fromDatabaseError(error, 'source');
    if (!isOfTable(failure)) throw error;
    return { keys: [], hasOlderRows: !(await isEmpty(source, leaf)), unread: failure.message };
  }
}

/** Needs no right to the table. */
async function isEmpty(source: pg.Client, { relid }: Leaf): Promise<boolean> {
  const { rows } = await source.query<{ empty: boolean }>(
    'SELECT pg_catalog.pg_relation_size($1::oid) IS NOT DISTINCT FROM 0 AS empty',
    [relid],
  );
  return rows[0]!.empty;
}

/**
 * Whether a row was written before one of the partitions above it was attached. A row keeps the transaction that wrote it, and
 * the place in it, also when it is frozen (PostgreSQL manual, "System Columns"). What the attaching transaction itself
 * wrote before comes through wal2json, which finds it by name when it commits.
 */
async function hasOlderRows(source: pg.Client, { name, relid, isByName }: Leaf): Promise<boolean> {
  const { rows } = await source.query<{ older: boolean }>(
    `SELECT EXISTS (
       SELECT FROM (SELECT i.xmin AS xid, i.cmin::text::int8 AS place
                      FROM pg_partition_ancestors($1::oid) AS up JOIN pg_inherits AS i ON i.inhrelid = up.relid) AS attached
         JOIN ${quoteOwnRows({ ...name, relkind: 'r' })} AS r
           ON age(r.xmin) > age(attached.xid) OR age(r.xmin) < 0 -- of so long ago that it looks like one to come
           OR (NOT $2::boolean AND r.xmin = attached.xid AND r.cmin::text::int8 <= attached.place)) AS older`,
    [relid, isByName],
  );
  return rows[0]!.older;
}

/**
 * Judges leaves whose keys were read before the horizon. Inside the horizon's transaction.
 * @returns relations that have a leaf which came with rows
 */
export async function judgeNewLeaves(
  store: Queryable,
  claim: Claim,
  leaves: readonly NewLeaf[],
): Promise<Set<number>> {
  const found = new Set<number>();
  for (const leaf of leaves) {
    const { relationId, relid, name } = leaf;
    const seen = await firstSeenWithRows(store, relationId, leaf);
    if (seen !== null) {
      const horizon = { lsn: parseLsn(seen.lsn), time: parseCommitTime(seen.ts) };
      const reason =
        leaf.unread === null
          ? `the partition ${formatTableName(name)} was attached with rows`
          : `the partition ${formatTableName(name)} may have been attached with rows, and cannot be read by itself: ${leaf.unread}`;
      const opened = await recordRelationLoss(store, { ...claim, horizon }, relationId, reason);
      if (opened) await askRepair(store, relationId);
      found.add(relationId);
    }
    await markLeafChecked(store, relationId, relid);
  }
  return found;
}
