/**
 * Reads everything that the checks judge, once. A database that does not answer is a fact too: gatherFacts() does not throw
 * because of it.
 */
import type { Client } from 'pg';
import type { TimewarpError } from '../errors/timewarp-error.ts';
import { connect } from '../pg/connection.ts';
import { type DatabaseSide, fromDatabaseError } from '../pg/database-error.ts';
import { isLacking } from '../pg/lacking.ts';
import { type Pooling, readPooling } from '../pg/pooler.ts';
import { silentChanges } from '../run/catalog/compare-catalog.ts';
import type { SilentChange, SilentChangeCode } from '../run/catalog/detect-silent-changes.ts';
import { isKeyOfHistory } from '../run/catalog/key-of-history.ts';
import { type RelationNow, readRelationsNow } from '../run/catalog/tables-of-run.ts';
import { detectLoss } from '../run/loss/detect-loss.ts';
import { type DatabaseUrls, withDatabases } from '../setup/databases.ts';
import type { TableFacts } from '../source/catalog/table-facts.ts';
import { publicationExists, publicationName, publicationOf } from '../source/publication/publication.ts';
import { whyNotReadable } from '../source/slot/slot-lifecycle.ts';
import { readKnownFacts, SLOTS, type SourceFacts } from '../source/slot/source-facts.ts';
import { readFailure, type StoredFailure } from '../store/node/failures.ts';
import { isDatabaseOf, readNode, type StoredNode } from '../store/node/nodes.ts';
import { type NodeOverview, type RelationOverview, readOverview } from '../store/overview.ts';
import { readSchemaState, type SchemaState } from '../store/schema/migrate.ts';
import { readTrackedRelations, type TrackedRelation } from '../store/tables/read.ts';
import type { TableState } from '../store/tables/state.ts';
import type { Plugin } from '../types/plugin.ts';
import { type HistoryCondition, readHistoryCondition } from './history-condition.ts';
import { type ProofFacts, readProof } from './self-proof.ts';
import { readSourceCondition, type SourceCondition } from './source-condition.ts';
import { readStoreCondition, type StoreCondition } from './store-condition.ts';

export interface DoctorFacts {
  readonly node: string;
  /** How often runs come. */
  readonly everySeconds: number;
  readonly store: Gathered<StoreFacts>;
  readonly source: Gathered<SourceSide>;
  readonly pooling: Readonly<Record<DatabaseSide, Pooling>>;
  /** The node, read again after the slot. A slot ahead of this position was moved by another program. */
  readonly nodeLater: StoredNode | null;
  /** null: not tried, because something else is wrong already; refused: the platform lacks what the proof needs. */
  readonly proof: ProofFacts | 'refused' | null;
}

/** Facts, or why there are none. */
export type Gathered<T> =
  | { readonly facts: T; readonly error: null }
  | { readonly facts: null; readonly error: TimewarpError };

export interface StoreFacts {
  readonly schema: SchemaState;
  /** null: the store has no such node, or its schema has another version. */
  readonly overview: NodeOverview | null;
  /** The tables of the overview, as runs know them. */
  readonly relations: readonly TrackedRelation[];
  /** null: as overview, or the role may not see it. */
  readonly condition: StoreCondition | null;
  /** null: as overview. */
  readonly history: HistoryCondition | null;
  /** The last failure of the node. */
  readonly failure: StoredFailure | null;
}

export interface SourceSide {
  readonly server: SourceFacts;
  /** Why the slot cannot be read; null when it can or when there is none. */
  readonly slotUnreadable: TimewarpError | null;
  /** null unless the node reads with pgoutput. */
  readonly publicationPresent: boolean | null;
  readonly tables: readonly TableCondition[];
  readonly condition: SourceCondition;
}

/** A tracked table as stored, and as the catalog has it now (null: gone). */
export interface TableCondition {
  readonly stored: RelationOverview;
  readonly state: TableState;
  readonly now: TableFacts | null;
  /** Whether the history can still identify rows by the key that the table has now. */
  readonly keepsKey: boolean;
  /** The silent changes that the next run will find, except those that the publication causes. */
  readonly changes: readonly SilentChange[];
}

/** The source, or null if it is not the one that the node follows: facts of another server say nothing about the node. */
export function rightSource({ source, store }: DoctorFacts): SourceSide | null {
  const node = store.facts?.overview?.node;
  if (source.facts === null || node === undefined) return source.facts;
  const { server } = source.facts;
  return isDatabaseOf(server, node) && !server.inRecovery ? source.facts : null;
}

/**
 * Reads the store first, because it knows which slot and tables to read on the source.
 * @param everySeconds how often runs come: decides what is late, and what a pause may cost
 */
export async function gatherFacts(urls: DatabaseUrls, everySeconds = 60): Promise<DoctorFacts> {
  const poolings = Promise.all([
    readPooling(urls.sourceUrl, { side: 'source', node: urls.node }),
    readPooling(urls.storeUrl, { side: 'store', node: urls.node }),
  ]);
  const store = await gather('store', urls, (session) => gatherStore(session, urls.node));
  const overview = store.facts?.overview ?? null;
  const source = await gather('source', urls, (session) =>
    gatherSource(session, urls.node, { overview, relations: store.facts?.relations ?? [] }),
  );
  const later = await gather('store', urls, async (session) =>
    overview === null ? null : readNode(session, urls.node),
  );
  const proof = await tryProof(urls, store.facts, source.facts);
  const pooling = { source: (await poolings)[0], store: (await poolings)[1] };
  return { node: urls.node, everySeconds, store, source, pooling, nodeLater: later.facts, proof };
}

/** Runs the proof only for a healthy node: other checks report what is wrong with the rest. */
async function tryProof(
  urls: DatabaseUrls,
  store: StoreFacts | null,
  source: SourceSide | null,
): Promise<ProofFacts | 'refused' | null> {
  const node = store?.overview?.node;
  if (source === null || node?.status !== 'active' || node.horizon === null) return null;
  if (source.slotUnreadable !== null || source.publicationPresent === false) return null;
  if (source.server.unknown.includes(SLOTS)) return 'refused';
  if (detectLoss(source.server, node, { lsn: node.horizon.lsn, time: node.horizon.ts }) !== null) return null;
  const tables = source.tables.flatMap(({ stored, state, now, changes }) =>
    now !== null && state.kind === 'complete' && state.withRows && changes.length === 0
      ? [
          {
            relationId: stored.relationId,
            name: stored.name,
            facts: now,
            keyColumns: stored.keyColumns,
            excludedColumns: stored.excludedColumns,
            noNan: stored.noNan,
          },
        ]
      : [],
  );
  if (tables.length === 0) return null;
  try {
    return await withDatabases(urls, (databases) => readProof(urls, databases, tables));
  } catch (error) {
    return isLacking(error) ? 'refused' : null; // for instance a table was dropped just now: other checks report it
  }
}

async function gather<T>(
  side: DatabaseSide,
  { sourceUrl, storeUrl, node }: DatabaseUrls,
  read: (session: Client) => Promise<T>,
): Promise<Gathered<T>> {
  let session: Client | undefined;
  try {
    session = await connect(side === 'source' ? sourceUrl : storeUrl, { side, node });
    return { facts: await read(session), error: null };
  } catch (error) {
    return { facts: null, error: fromDatabaseError(error, side) };
  } finally {
    await session?.end().catch(() => {});
  }
}

async function gatherStore(session: Client, node: string): Promise<StoreFacts> {
  const schema = await readSchemaState(session);
  const overview =
    schema.version === schema.expected ? ((await readOverview(session, node))[0] ?? null) : null;
  return {
    schema,
    overview,
    relations: overview === null ? [] : await readTrackedRelations(session, node),
    condition: overview === null ? null : await readStoreCondition(session, node),
    history: overview === null ? null : await readHistoryCondition(session, node),
    failure: overview === null ? null : await readFailure(session, node),
  };
}

async function gatherSource(
  session: Client,
  node: string,
  { overview, relations }: Pick<StoreFacts, 'overview' | 'relations'>,
): Promise<SourceSide> {
  const server = await readKnownFacts(session, overview?.node.slotName ?? `pgtimewarp_${node}`);
  const tables =
    overview === null ? [] : await readRelationsNow(session, relations, publicationOf(overview.node));
  const confirmed = server.slot?.confirmedFlushLsn ?? null;
  return {
    server,
    slotUnreadable:
      overview === null ||
      server.slot === null ||
      confirmed === null ||
      server.slot.plugin !== overview.node.plugin
        ? null
        : await whyNotReadable(
            session,
            { name: overview.node.slotName, plugin: overview.node.plugin },
            confirmed,
          ),
    publicationPresent:
      overview?.node.plugin === 'pgoutput' ? await publicationExists(session, publicationName(node)) : null,
    tables: tables.flatMap((table) => {
      const stored = overview?.relations.find(({ relationId }) => relationId === table.relation.relationId);
      return stored === undefined ? [] : [conditionOf(stored, table, overview!.node.plugin)];
    }),
    condition: await readSourceCondition(session, {
      node,
      slotName:
        server.slot === null && !server.unknown.includes(SLOTS) ? '' : (overview?.node.slotName ?? ''),
      tables: tables.flatMap(({ facts }) => (facts === null ? [] : [facts.oid])),
    }),
  };
}

/** checkPublication() reports these, with its SQL. */
const OF_PUBLICATION: readonly SilentChangeCode[] = ['UNPUBLISHED', 'PUBLISHED_IN_PART'];

function conditionOf(
  stored: RelationOverview,
  { relation, facts }: RelationNow,
  plugin: Plugin,
): TableCondition {
  return {
    stored,
    state: relation.state,
    now: facts,
    keepsKey: facts === null || isKeyOfHistory(relation, facts),
    changes: silentChanges({ relation, facts }, plugin).filter(({ code }) => !OF_PUBLICATION.includes(code)),
  };
}
