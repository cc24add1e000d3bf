/**
 * Finds out whether a new leaf was created empty or attached with rows. Of an empty one, the log contains every row; rows that
 * came with the leaf are a silent change. A run reads the leaf's keys before it reads the end of WAL, a limited number per
 * run. When everything up to that end is applied, the log must contain the INSERT of each key, and of each row that was
 * updated or deleted meanwhile. A leaf that the role cannot read (a right to a table is none to its partitions) counts as
 * attached with rows, unless it is empty: the repair reads through the root table.
 */

import type pg from 'pg';
import { fromDatabaseError } from '../../pg/database-error.ts';
import { formatTableName, type TableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { readTypeCatalog } from '../../source/catalog/table-facts.ts';
import { readBaselineChunk } from '../../source/rows/read-chunk.ts';
import type { Claim } from '../../store/node/claim.ts';
import { recordRelationLoss } from '../../store/tables/gap.ts';
import {
  cameWithRows,
  type LeafToJudge,
  markLeafChecked,
  markLeafJudged,
} from '../../store/tables/leaves.ts';
import { askRepair } from '../../store/tables/repair.ts';
import { parseCommitTime } from '../../types/commit-time.ts';
import { parseLsn } from '../../types/lsn.ts';
import type { Plugin } from '../../types/plugin.ts';
import { leavesNow, type RelationNow } from '../catalog/tables-of-run.ts';
import { isOfTable } from '../rows/table-failure.ts';
import { unlessChanged } from '../rows/unless-changed.ts';

/** Per run and leaf: the keys stay in memory until they are judged. */
const KEYS_A_RUN = 100_000;
const KEYS_A_CHUNK = 10_000;

export interface NewLeaf extends LeafToJudge {
  readonly relationId: number;
  readonly name: TableName;
  /** The last key read; null: the end of the leaf was reached. */
  readonly upto: readonly string[] | null;
  /** Why its rows could not be read; null: they were read. */
  readonly unread: string | null;
}

/** Reads the keys of new leaves. Call it before the end of WAL is read. */
export async function readNewLeaves(
  source: pg.Client,
  relations: readonly RelationNow[],
  plugin: Plugin,
): Promise<NewLeaf[]> {
  const news: NewLeaf[] = [];
  for (const now of relations) {
    const { relation, facts } = now;
    if (facts === null || relation.state.kind === 'starting') continue;
    for (const { name, relid, fromTheStart } of leavesNow(now)) {
      const unchecked = relation.uncheckedLeaves.find((leaf) => leaf.relid === relid);
      if (fromTheStart && unchecked === undefined) continue;
      const isBeingDetached = facts.leaves.find((leaf) => leaf.relid === relid)!.attachedBy === '';
      if (isBeingDetached) continue; // the next run records that
      const attached = await readAttaching(source, relid, plugin);
      const read = await readLeaf(source, now, { name, relid, after: unchecked?.judged_upto ?? null });
      if (read === null) continue; // the next run tries again
      news.push({ relationId: relation.relationId, relid, name, ...attached, ...read });
    }
  }
  return news;
}

/** How the leaf was attached. A transaction id with a negative age is from before a wraparound: too old for the log. */
async function readAttaching(
  source: pg.Client,
  relid: number,
  plugin: Plugin,
): Promise<Pick<LeafToJudge, 'attachedBy' | 'isMadeAttached'>> {
  const { rows } = await source.query<{ by: string[] | null; made: boolean | null }>(
    `SELECT array_agg(i.xmin::text) FILTER (WHERE age(i.xmin) >= 0) AS by,
            bool_and(i.inhrelid <> $1::oid OR i.xmin = made.xmin) AND bool_and(age(i.xmin) < 0 OR age(i.xmin) >= age(made.xmin)) AS made
       FROM pg_class AS c
       JOIN pg_type AS made ON made.oid = c.reltype
      CROSS JOIN pg_partition_ancestors(c.oid) AS up
       JOIN pg_inherits AS i ON i.inhrelid = up.relid
      WHERE c.oid = $1::oid`,
    [relid],
  );
  const { by, made } = rows[0]!;
  // pgoutput delivers changes of attached partitions only, so it needs no such transactions
  return { attachedBy: plugin === 'wal2json' ? (by ?? []) : [], isMadeAttached: made ?? false };
}

interface Leaf {
  readonly name: TableName;
  readonly relid: number;
  /** Key texts to continue after. */
  readonly after: readonly string[] | null;
}

/** @returns null when the table or its key has changed, which noteCatalog() reports */
async function readLeaf(
  source: pg.Client,
  now: RelationNow,
  leaf: Leaf,
): Promise<Pick<NewLeaf, 'keys' | 'mayHoldRows' | 'upto' | 'unread'> | null> {
  const keyColumns = now.relation.keyColumns;
  const { key } = now.facts!;
  if (key.length !== keyColumns.length || !key.every(({ name }) => keyColumns.includes(name))) return null;
  const columns = now.facts!.columns.filter((column) => keyColumns.includes(column.name));
  const types = await readTypeCatalog(source);
  const keys: string[] = [];
  let cursor = leaf.after;
  try {
    for (;;) {
      const chunk = await unlessChanged(source, now, () =>
        readBaselineChunk(source, {
          facts: { ...now.facts!, ...leaf.name, columns },
          keyColumns,
          excludedColumns: [],
          types,
          cursor,
          limit: KEYS_A_CHUNK,
        }),
      );
      if (chunk === null) return null;
      for (const { key } of chunk.rows) keys.push(key);
      cursor = chunk.cursor;
      if (chunk.isLast) return { keys, mayHoldRows: false, upto: null, unread: null };
      if (keys.length >= KEYS_A_RUN) return { keys, mayHoldRows: false, upto: cursor, unread: null };
    }
  } catch (error) {
    const failure = fromDatabaseError(error, 'source');
    if (!isOfTable(failure)) throw error;
    return { keys, mayHoldRows: !(await isEmpty(source, leaf)), upto: null, unread: failure.message };
  }
}

/** Needs no right to the leaf. */
async function isEmpty(source: pg.Client, { relid }: Leaf): Promise<boolean> {
  const { rows } = await source.query<{ empty: boolean }>(
    'SELECT pg_catalog.pg_relation_size($1::oid) IS NOT DISTINCT FROM 0 AS empty',
    [relid],
  );
  return rows[0]!.empty;
}

/**
 * Judges leaves whose keys were read before the horizon.
 * @returns relations that have a leaf which came with rows
 */
export async function judgeNewLeaves(
  store: StoreTransaction,
  claim: Claim,
  leaves: readonly NewLeaf[],
): Promise<Set<number>> {
  const found = new Set<number>();
  for (const leaf of leaves) {
    const { relationId, relid, name } = leaf;
    const seen = await cameWithRows(store, relationId, leaf);
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
    if (seen !== null || leaf.upto === null) await markLeafChecked(store, relationId, relid);
    else await markLeafJudged(store, relationId, leaf);
  }
  return found;
}
