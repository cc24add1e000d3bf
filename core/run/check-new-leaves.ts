/**
 * A leaf that is new to us was created empty, and then the log tells of every row in it, or it was attached with rows,
 * which is a silent change. Its first keys are read before the end of WAL is; once everything up to there is applied, each must
 * have a change that is not older than the partition. Where there are more rows, each says itself when it was written.
 */
import type pg from 'pg';
import { readBaselineChunk } from '../baseline/read-chunk.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, quoteOwnRows, type TableName } from '../pg/identifiers.ts';
import { readTypeCatalog } from '../slot/table-facts.ts';
import type { Claim } from '../store/claim.ts';
import { openRelationGap } from '../store/gaps.ts';
import { firstSeenWithRows, markLeafChecked } from '../store/leaves.ts';
import { askRepair, restartRepair } from '../store/repairs.ts';
import { parseCommitTime } from '../types/commit-time.ts';
import { parseLsn } from '../types/lsn.ts';
import type { Plugin } from '../types/plugin.ts';
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
  /** It holds a row that was written before the partition was attached. */
  readonly hasOlderRows: boolean;
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
      const columns = facts.columns.filter((column) => relation.keyColumns.includes(column.name));
      if (columns.length < relation.keyColumns.length || facts.key.length === 0) continue; // the key has changed: reported
      const types = await readTypeCatalog(source);
      const isByName = plugin === 'wal2json';
      const chunk = await unlessChanged(source, now, () =>
        readBaselineChunk(source, {
          facts: { ...facts, ...name, columns },
          keyColumns: relation.keyColumns,
          excludedColumns: [],
          types,
          cursor: null,
          limit: KEYS_READ,
        }),
      );
      const older =
        chunk === null || chunk.isLast
          ? false
          : await unlessChanged(source, now, () => hasOlderRows(source, name, relid, isByName));
      if (chunk === null || older === null) continue; // the next run looks at it
      const keys = chunk.rows.map((row) => row.key);
      const by = isByName ? attachedBy.split(' ') : [];
      news.push({
        ...{ relationId: relation.relationId, relid, name, attachedBy: by, keys },
        hasOlderRows: older,
      });
    }
  }
  return news;
}

/**
 * Whether a row was written before one of the partitions above it was attached. A row keeps the transaction that wrote it, and
 * the place in it, also when it is frozen (PostgreSQL manual, "System Columns"). What the attaching transaction itself
 * wrote before comes through wal2json, which finds it by name when it commits.
 */
async function hasOlderRows(
  source: pg.Client,
  name: TableName,
  relid: number,
  isByName: boolean,
): Promise<boolean> {
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
      const reason = `the partition ${formatTableName(name)} was attached with rows`;
      const opened = await openRelationGap(store, { ...claim, horizon }, relationId, reason);
      if (opened) await askRepair(store, relationId);
      else await restartRepair(store, relationId);
      found.add(relationId);
    }
    await markLeafChecked(store, relationId, relid);
  }
  return found;
}
