/**
 * A leaf that is new to us was created empty, and then the log tells of every row in it, or it was attached with rows,
 * which is a silent change. Its first keys are read before the end of WAL is; once everything up to there is applied,
 * each must have a change that is not older than the partition.
 */
import type pg from 'pg';
import { readBaselineChunk } from '../baseline/read-chunk.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import { readTypeCatalog } from '../slot/table-facts.ts';
import type { Claim } from '../store/claim.ts';
import { openRelationGap } from '../store/gaps.ts';
import { firstSeenWithRows, markLeafChecked } from '../store/leaves.ts';
import { restartRepair } from '../store/repairs.ts';
import { parseCommitTime } from '../types/commit-time.ts';
import { parseLsn } from '../types/lsn.ts';
import type { Plugin } from '../types/plugin.ts';
import { leavesNow, type RelationNow } from './tables-of-run.ts';
import { unlessChanged } from './unless-changed.ts';

/** Rows that came with a leaf are as a rule all of its rows: the first ones, in the order of the key, show it. */
const KEYS_READ = 10_000;

export interface NewLeaf {
  readonly relationId: number;
  readonly relid: number;
  readonly name: TableName;
  /** Through wal2json, which may tell of what came before; none through pgoutput, which tells of partitions only. */
  readonly attachedBy: readonly string[];
  readonly keys: readonly string[];
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
      if (chunk === null) continue; // the next run looks at it
      const keys = chunk.rows.map((row) => row.key);
      const by = plugin === 'wal2json' ? attachedBy.split(' ') : [];
      news.push({ relationId: relation.relationId, relid, name, attachedBy: by, keys });
    }
  }
  return news;
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
      if (!opened) await restartRepair(store, relationId);
      found.add(relationId);
    }
    await markLeafChecked(store, relationId, relid);
  }
  return found;
}
