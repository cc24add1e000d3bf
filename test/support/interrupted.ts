/**
 * The commands that the hunt for interruptions interrupts: how a node is prepared, how the command is run and repeated, and the
 * expected state in the end.
 */
import type { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { poll } from '../../core/poll.ts';
import { rebaseline } from '../../core/rebaseline.ts';
import { rebaselineNode } from '../../core/rebaseline-node.ts';
import { releaseSlot } from '../../core/release-slot.ts';
import { runRetention, setRetention } from '../../core/retention/change-retention.ts';
import { deinit } from '../../core/setup/deinit.ts';
import { forgetSource } from '../../core/setup/forget-source.ts';
import { init } from '../../core/setup/init.ts';
import { skip } from '../../core/skip.ts';
import { track, untrack } from '../../core/track.ts';
import { parseLsn } from '../../core/types/lsn.ts';
import { deploy, deployed, INVOCATION_MS } from './deployments.ts';
import type { HuntedNode, NodeState, Urls } from './hunted-node.ts';

export interface InterruptedCommand {
  readonly name: string;
  readonly prepare: (node: HuntedNode) => Promise<void>;
  readonly run: (node: HuntedNode, urls: Urls) => Promise<unknown>;
  /** What an operator runs afterwards instead of repeating the command. */
  readonly again?: (node: HuntedNode, urls: Urls) => Promise<unknown>;
  /** The error of the repeated command if its work was already done. */
  readonly doneIs?: string;
  /** In milliseconds, if the command has a limit. */
  readonly limitMs?: number;
  /**
   * The command waits for other trials on the same servers: for all transactions if it makes a slot, for readers if it removes
   * tables of the store (see inPatientTransaction).
   */
  readonly waitsForOthers?: true;
  readonly expected: (node: HuntedNode) => Partial<NodeState>;
  /** The accepted reasons for an unknown answer in the end. */
  readonly unknownMay: readonly string[];
  /** Whether runs follow. */
  readonly isFollowed: boolean;
}

const CHANGES = [
  'INSERT INTO $t VALUES (3, $$c$$); UPDATE $t SET v = $$a2$$ WHERE id = 1',
  'BEGIN; DELETE FROM $t WHERE id = 2; INSERT INTO $t VALUES (4, $$d$$); UPDATE $t SET v = $$c2$$ WHERE id = 3; COMMIT',
];

async function tracked(node: HuntedNode, retention: string | null = null): Promise<void> {
  await node.makeTable();
  await node.init();
  await node.track(retention);
  await node.change('UPDATE $t SET v = $$b1$$ WHERE id = 2');
  await poll(node.urls);
}

async function changed(node: HuntedNode): Promise<void> {
  for (const sql of CHANGES) await node.change(sql);
}

export async function trackedAndChanged(node: HuntedNode): Promise<void> {
  await tracked(node);
  await changed(node);
}

/** Blocks the node at a transaction, as after five failed runs; see core/run/stream/poison.ts. */
async function blocked(node: HuntedNode): Promise<void> {
  await tracked(node);
  await node.change(CHANGES[0]!);
  const { rows } = await node.databases.source.query<{ lsn: string }>(
    'SELECT pg_current_wal_insert_lsn()::text AS lsn',
  );
  BLOCKED_AT.set(node, rows[0]!.lsn);
  await node.databases.store.query(
    `WITH failed AS (
       UPDATE pgtimewarp.wal_checkpoints
          SET failure = jsonb_build_object('code', 'INTERNAL', 'message', 'x', 'lsn', $2::text, 'xid', '1', 'relation_ids', NULL)
        WHERE node_id = $1::text)
     UPDATE pgtimewarp.nodes SET status = 'blocked' WHERE node_id = $1::text`,
    [node.urls.node, rows[0]!.lsn],
  );
  await node.change(CHANGES[1]!);
}

const BLOCKED_AT = new WeakMap<HuntedNode, string>();

const FOLLOWED = ({ plugin, table }: HuntedNode): NodeState => ({
  slot: true,
  publication: plugin === 'pgoutput',
  tables: plugin === 'pgoutput' ? table.name : null,
  node: 'active',
  table: 'active',
});
const FROM_START = ['before_tracking'];
const GAP = [...FROM_START, 'in_gap'];
const ANY = [...GAP, 'baseline_pending', 'not final', 'TABLE_NOT_TRACKED', 'NODE_UNKNOWN'];
const GONE = { slot: false, publication: false };

export const COMMANDS: readonly InterruptedCommand[] = [
  {
    name: 'init',
    waitsForOthers: true,
    prepare: (node) => node.makeTable(),
    run: ({ plugin }, urls) => init({ ...urls, plugin, slotName: null, version: 'test' }),
    expected: (node) => ({ ...FOLLOWED(node), tables: null, table: null }),
    unknownMay: ANY,
    isFollowed: true,
  },
  {
    name: 'init, given up',
    waitsForOthers: true,
    prepare: (node) => node.makeTable(),
    run: ({ plugin }, urls) => init({ ...urls, plugin, slotName: null, version: 'test' }),
    again: (_, urls) => deinit({ ...urls, purge: false }),
    doneIs: 'NODE_UNKNOWN',
    expected: () => GONE,
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'poll',
    prepare: trackedAndChanged,
    run: (_, urls) => poll(urls),
    expected: FOLLOWED,
    unknownMay: FROM_START,
    isFollowed: true,
  },
  {
    name: 'poll with a limit',
    prepare: trackedAndChanged,
    run: (_, urls) => poll({ ...urls, maxSeconds: 2 }),
    limitMs: 2_000,
    expected: FOLLOWED,
    unknownMay: FROM_START,
    isFollowed: true,
  },
  {
    name: 'track',
    prepare: async (node) => {
      await node.makeTable();
      await node.init();
    },
    run: ({ table }, urls) => track({ ...urls, table, baseline: true, exclude: [], retention: null }),
    expected: FOLLOWED,
    unknownMay: FROM_START,
    isFollowed: true,
  },
  {
    name: 'untrack',
    prepare: trackedAndChanged,
    run: ({ table }, urls) => untrack({ ...urls, table, purge: false }),
    doneIs: 'TABLE_NOT_TRACKED',
    expected: (node) => ({ ...FOLLOWED(node), tables: null, table: 'untracked' }),
    unknownMay: ANY,
    isFollowed: true,
  },
  {
    name: 'untrack --purge',
    waitsForOthers: true,
    prepare: trackedAndChanged,
    run: ({ table }, urls) => untrack({ ...urls, table, purge: true }),
    doneIs: 'TABLE_NOT_TRACKED',
    expected: (node) => ({ ...FOLLOWED(node), tables: null, table: 'untracked' }),
    unknownMay: [...ANY, 'expired'],
    isFollowed: true,
  },
  {
    name: 'rebaseline',
    prepare: trackedAndChanged,
    run: ({ table }, urls) => rebaseline({ ...urls, table }),
    expected: FOLLOWED,
    unknownMay: GAP,
    isFollowed: true,
  },
  {
    name: 'rebaseline --node',
    waitsForOthers: true,
    prepare: trackedAndChanged,
    run: (_, urls) => rebaselineNode({ ...urls, version: 'test' }),
    expected: FOLLOWED,
    unknownMay: GAP,
    isFollowed: true,
  },
  {
    name: 'release-slot',
    prepare: trackedAndChanged,
    run: (_, urls) => releaseSlot(urls),
    expected: () => ({ slot: false, node: 'gap' }),
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'skip',
    prepare: blocked,
    run: (node, urls) => skip({ ...urls, lsn: parseLsn(BLOCKED_AT.get(node)!) }),
    doneIs: 'BAD_FLAGS',
    expected: (node) => ({ ...FOLLOWED(node), table: undefined as unknown as null }),
    unknownMay: GAP,
    isFollowed: true,
  },
  {
    name: 'retention set',
    prepare: trackedAndChanged,
    run: ({ table }, urls) => setRetention(urls, [table], '30d'),
    expected: FOLLOWED,
    unknownMay: FROM_START,
    isFollowed: true,
  },
  {
    name: 'retention run',
    prepare: async (node) => {
      await tracked(node, '1s');
      await changed(node);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
    },
    run: (_, urls) => runRetention(urls),
    expected: FOLLOWED,
    unknownMay: [...FROM_START, 'expired'],
    isFollowed: true,
  },
  {
    name: 'deinit',
    prepare: trackedAndChanged,
    run: (_, urls) => deinit({ ...urls, purge: false }),
    expected: () => ({ ...GONE, node: 'removed', table: 'untracked' }),
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'deinit --purge',
    waitsForOthers: true,
    prepare: trackedAndChanged,
    run: (_, urls) => deinit({ ...urls, purge: true }),
    doneIs: 'NODE_UNKNOWN',
    expected: () => ({ ...GONE, node: null, table: null }),
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'deinit --forget-source',
    prepare: trackedAndChanged,
    run: (_, urls) => forgetSource({ ...urls, sourceUrl: NOWHERE, purge: false }),
    expected: ({ plugin, table }) => ({
      ...{
        slot: true,
        publication: plugin === 'pgoutput',
        tables: plugin === 'pgoutput' ? table.name : null,
      },
      ...{ node: 'removed', table: 'untracked' },
    }),
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'deinit --forget-source --purge',
    waitsForOthers: true,
    prepare: trackedAndChanged,
    run: (_, urls) => forgetSource({ ...urls, sourceUrl: NOWHERE, purge: true }),
    doneIs: 'NODE_UNKNOWN',
    expected: () => ({ slot: true, node: null, table: null }),
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'deinit --forget-source of a source that answers',
    prepare: trackedAndChanged,
    run: (_, urls) => forgetSource({ ...urls, purge: false }).catch(unlessItLives),
    again: (_, urls) => deinit({ ...urls, purge: false }),
    expected: () => ({ node: 'removed', table: 'untracked' }),
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'deployment, Create',
    waitsForOthers: true,
    prepare: (node) => node.makeTable(),
    run: create,
    again: async (node, urls) => {
      // the requests of CloudFormation after a failure, then the next deployment
      if (PHYSICAL_ID.get(node) !== 'pgtimewarp') await undo(node, urls);
      await create(node, urls);
    },
    limitMs: INVOCATION_MS,
    expected: FOLLOWED,
    unknownMay: GAP,
    isFollowed: true,
  },
  {
    name: 'deployment, Create given up',
    waitsForOthers: true,
    prepare: (node) => node.makeTable(),
    run: create,
    again: undo,
    limitMs: INVOCATION_MS,
    expected: () => GONE,
    unknownMay: ANY,
    isFollowed: false,
  },
  {
    name: 'deployment, Update that tracks',
    prepare: async (node) => {
      await node.makeTable();
      await node.init();
    },
    run: (node, urls) =>
      deploy(urls, { type: 'Update', wanted: deployed(node, true), before: deployed(node, false) }),
    limitMs: INVOCATION_MS,
    expected: FOLLOWED,
    unknownMay: FROM_START,
    isFollowed: true,
  },
  {
    name: 'deployment, Update rolled back',
    prepare: async (node) => {
      await node.makeTable();
      await node.init();
    },
    run: (node, urls) =>
      deploy(urls, { type: 'Update', wanted: deployed(node, true), before: deployed(node, false) }),
    again: (node, urls) =>
      deploy(urls, { type: 'Update', wanted: deployed(node, false), before: deployed(node, true) }),
    limitMs: INVOCATION_MS,
    expected: (node) => ({ ...FOLLOWED(node), tables: null, table: undefined as unknown as null }),
    unknownMay: ANY,
    isFollowed: true,
  },
  {
    name: 'deployment, Delete',
    prepare: trackedAndChanged,
    run: (node, urls) => deploy(urls, { type: 'Delete', wanted: deployed(node, true) }),
    limitMs: INVOCATION_MS,
    expected: () => ({ ...GONE, node: 'removed', table: 'untracked' }),
    unknownMay: ANY,
    isFollowed: false,
  },
];

/** A port on which no server listens. */
const NOWHERE = 'postgres://127.0.0.1:1/gone';
const PHYSICAL_ID = new WeakMap<HuntedNode, string>();

async function create(node: HuntedNode, urls: Urls): Promise<void> {
  try {
    PHYSICAL_ID.set(node, await deploy(urls, { type: 'Create', wanted: deployed(node, true) }));
  } catch (error) {
    const { physicalResourceId } = (error as TimewarpError).facts;
    if (typeof physicalResourceId === 'string') PHYSICAL_ID.set(node, physicalResourceId);
    throw error;
  }
}

/** Deletes the resource that CloudFormation knows. */
async function undo(node: HuntedNode, urls: Urls): Promise<void> {
  const physicalResourceId = PHYSICAL_ID.get(node)!;
  await deploy(urls, { type: 'Delete', wanted: deployed(node, true), physicalResourceId });
}

/** Accepts that the source answers: the command must find that out, because a cut or silent source looks like one that is gone. */
function unlessItLives(error: unknown): void {
  if ((error as Partial<TimewarpError>).code !== 'NODE_CONFLICT') throw error;
}

/** Whether a person can act on the error: it is neither a bug of ours nor a raw error of a server. */
export function isClear(error: unknown): boolean {
  const { code } = error as Partial<TimewarpError>;
  return (
    code !== undefined && !['INTERNAL', 'DATABASE_ERROR'].includes(code) && /^[A-Z]+_?[A-Z_]*$/.test(code)
  );
}
