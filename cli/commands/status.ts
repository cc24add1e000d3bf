/** `status`: nodes, tables, horizon, lag. */
import type { Command } from 'commander';
import { type Check, summarize } from '../../core/doctor/check.ts';
import { secondsBetween } from '../../core/doctor/checks/progress.ts';
import { quickChecks } from '../../core/doctor/store-health.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect, type Queryable } from '../../core/pg/connection.ts';
import { formatTableName } from '../../core/pg/identifiers.ts';
import { readSourceFacts, type SourceFacts } from '../../core/source/slot/source-facts.ts';
import { requireNode } from '../../core/store/node/nodes.ts';
import {
  type NodeOverview,
  type Point,
  type RelationOverview,
  readOverview,
} from '../../core/store/overview.ts';
import { requireSchema } from '../../core/store/schema/migrate.ts';
import { type FollowRule, readFollowRules } from '../../core/store/tables/follow-rules.ts';
import { type CommitTime, formatCommitTime, parseCommitTime } from '../../core/types/commit-time.ts';
import { formatLsn, type Lsn, lsnDistanceBytes } from '../../core/types/lsn.ts';
import { maybeSameSystem } from '../../core/types/server-identity.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { pause } from '../interrupt.ts';
import { renderStatus } from '../render/status.ts';
import { toError } from '../to-error.ts';

/** The JSON document; what only the source can say is null without one. */
export interface StatusDocument {
  /** Why the source could not be asked; null when it was, or when none was named. */
  readonly source_error: string | null;
  readonly nodes: readonly NodeStatusDocument[];
}

export interface NodeStatusDocument {
  readonly node: string;
  readonly status: string;
  readonly status_reason: string | null;
  readonly database: string;
  readonly plugin: string;
  readonly slot: {
    readonly name: string;
    readonly present: boolean | null;
    readonly confirmed_lsn: string | null;
    readonly restart_lsn: string | null;
    readonly wal_status: string | null;
    readonly active: boolean | null;
    readonly retained_bytes: number | null;
  };
  readonly horizon: PointDocument | null;
  readonly caught_up: boolean;
  readonly last_run: { readonly at: string; readonly outcome: string | null } | null;
  readonly lag_bytes: number | null;
  readonly lag_seconds: number | null;
  readonly open_gaps: readonly {
    readonly table: string | null;
    readonly from: PointDocument;
    readonly reason: string;
  }[];
  /** Patterns by which runs begin to track tables that are made later. */
  readonly followed: readonly {
    readonly pattern: string;
    readonly retention: string | null;
    readonly excluded: readonly string[];
    /** What matches and cannot be tracked. */
    readonly not_tracked: readonly { readonly table: string; readonly reason: string }[];
  }[];
  /** What does not pass of the checks that cost next to nothing; `doctor` makes them all. */
  readonly checks: readonly Check[];
  readonly tables: readonly TableStatusDocument[];
}

export interface TableStatusDocument {
  readonly table: string;
  readonly status: string;
  readonly status_reason: string | null;
  readonly key: readonly string[];
  readonly tracked_from: PointDocument | null;
  readonly tracked_to: PointDocument | null;
  readonly baseline: { readonly state: string; readonly rows: number; readonly estimated_rows: number };
  readonly retention: string | null;
  readonly excluded: readonly string[];
  /** Declared: its numeric and float columns never hold NaN or Infinity. */
  readonly no_nan: boolean;
  /** What was seen that says otherwise; null: nothing. */
  readonly no_nan_refuted: string | null;
  readonly estimated_changes: number | null;
  /** On disk, indexes and TOAST included. */
  readonly size_bytes: number | null;
  /** How many ranges the history is cut into; 0 without retention. */
  readonly ranges: number;
  /** The oldest instant that can be answered, once something has expired; before: tracked_from. */
  readonly oldest: { readonly lsn: string; readonly ts: string } | null;
}

interface PointDocument {
  readonly lsn: string;
  readonly ts: string;
}

const WATCH_MS = 2_000;

export function registerStatus(program: Command, run: Run): Command {
  return program
    .command('status')
    .description('nodes, tables, horizon and lag: of all nodes, or of the one that --node names')
    .option('--watch', 'again every two seconds, until interrupted')
    .addHelpText('after', '\nExample:\n  pgtimewarp status --watch')
    .action((flags: { watch?: boolean }) =>
      run(
        async (context) => {
          const { settings, out, signal } = context;
          if (flags.watch && out.json)
            throw new TimewarpError('BAD_FLAGS', '--watch cannot be one JSON document.');
          const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
          try {
            await requireSchema(store);
            const only = program.getOptionValueSource('node') === 'cli' ? settings.node : null;
            for (;;) {
              const document = await readStatus(context, store, only);
              out.result(
                document,
                () => `${flags.watch ? out.clearScreen : ''}${renderStatus(document, out)}`,
              );
              if (!flags.watch) return EXIT.done;
              await pause(WATCH_MS, signal);
              if (signal.aborted) return EXIT.interrupted;
            }
          } finally {
            await store.end().catch(() => {});
          }
        },
        flags.watch ? 'when stopped' : 'by itself',
      ),
    );
}

/** @param only the node to tell of; null: all. Throws NODE_UNKNOWN */
async function readStatus(
  context: CommandContext,
  store: Queryable,
  only: string | null,
): Promise<StatusDocument> {
  if (only !== null) await requireNode(store, only);
  const overviews = await readOverview(store, only);
  const source = await askSource(context, overviews);
  const { rows } = await store.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  const now = parseCommitTime(rows[0]!.now);
  const nodes: NodeStatusDocument[] = [];
  for (const overview of overviews) {
    const { node } = overview.node;
    const rules = await readFollowRules(store, node);
    nodes.push(nodeDocument(overview, source.facts.get(node) ?? null, now, rules));
  }
  return { source_error: source.error, nodes };
}

/** Facts for every node that observes the database of --source. An unreachable source leaves the store's part. */
async function askSource(
  { settings }: CommandContext,
  overviews: readonly NodeOverview[],
): Promise<{ facts: Map<string, SourceFacts>; error: string | null }> {
  const facts = new Map<string, SourceFacts>();
  const url = settings.optionalSourceUrl;
  if (url === null) return { facts, error: null };
  try {
    const source = await connect(url, { side: 'source', node: settings.node });
    try {
      for (const { node } of overviews) {
        const found = await readSourceFacts(source, node.slotName);
        const same = maybeSameSystem(found, node) && found.database === node.database;
        if (same && node.status !== 'removed') facts.set(node.node, found);
      }
    } finally {
      await source.end().catch(() => {});
    }
    return { facts, error: null };
  } catch (thrown) {
    return { facts, error: toError(thrown).message };
  }
}

function nodeDocument(
  overview: NodeOverview,
  source: SourceFacts | null,
  now: CommitTime,
  rules: readonly FollowRule[],
): NodeStatusDocument {
  const { node, relations, histories, openGaps } = overview;
  const { horizon } = node;
  const byRelation = new Map(histories.map((history) => [history.relationId, history]));
  const slot = source?.slot ?? null;
  const ran = horizon?.lastRunAt ?? null;
  return {
    node: node.node,
    status: node.status,
    status_reason: node.statusReason,
    database: node.database,
    plugin: node.plugin,
    slot: {
      name: node.slotName,
      present: source === null ? null : slot !== null,
      confirmed_lsn: lsnText(slot?.confirmedFlushLsn),
      restart_lsn: lsnText(slot?.restartLsn),
      wal_status: slot?.walStatus ?? null,
      active: slot === null ? null : slot.activePid !== null,
      retained_bytes:
        source === null || slot?.restartLsn == null
          ? null
          : Number(lsnDistanceBytes(slot.restartLsn, source.insertLsn)),
    },
    horizon: horizon && pointDocument(horizon),
    caught_up: horizon?.caughtUp ?? false,
    last_run: ran === null ? null : { at: formatCommitTime(ran), outcome: horizon?.lastRunOutcome ?? null },
    lag_bytes:
      source === null || horizon === null ? null : Number(lsnDistanceBytes(horizon.lsn, source.insertLsn)),
    lag_seconds:
      source === null || horizon === null ? null : Number(secondsBetween(horizon.ts, source.clock)),
    open_gaps: openGaps.map((gap) => ({
      table: gap.table && formatTableName(gap.table),
      from: pointDocument(gap.from),
      reason: gap.reason,
    })),
    followed: rules.map(({ pattern, retention, excludedColumns, notTracked }) => ({
      pattern: pattern.text,
      retention,
      excluded: excludedColumns,
      not_tracked: notTracked,
    })),
    checks:
      node.status === 'removed'
        ? []
        : summarize(quickChecks(overview, now, source)).checks.filter(({ status }) => status !== 'ok'),
    tables: relations.map((relation) => tableDocument(relation, byRelation)),
  };
}

function tableDocument(
  relation: RelationOverview,
  histories: ReadonlyMap<number, NodeOverview['histories'][number]>,
): TableStatusDocument {
  const history = histories.get(relation.relationId);
  return {
    table: formatTableName(relation.name),
    status: relation.status,
    status_reason: relation.statusReason,
    key: relation.keyColumns,
    tracked_from: relation.trackedFrom && pointDocument(relation.trackedFrom),
    tracked_to: relation.trackedTo && pointDocument(relation.trackedTo),
    baseline: {
      state: relation.baseline,
      rows: relation.baselineRows,
      estimated_rows: relation.baselineEstimatedRows,
    },
    retention: relation.retention,
    excluded: relation.excludedColumns,
    no_nan: relation.noNan,
    no_nan_refuted: relation.noNanRefuted,
    estimated_changes: relation.estimatedChanges,
    size_bytes: history?.sizeBytes ?? null,
    ranges: history?.ranges ?? 0,
    oldest: history?.oldest ?? null,
  };
}

function pointDocument(point: Point): PointDocument {
  return { lsn: formatLsn(point.lsn), ts: formatCommitTime(point.ts) };
}

function lsnText(lsn: Lsn | null | undefined): string | null {
  return lsn === null || lsn === undefined ? null : formatLsn(lsn);
}
