/**
 * Everything that the checks judge, gathered once. A database that does not answer is a fact like any other: gathering
 * never throws because of one.
 */
import type { Client } from 'pg';
import type { TimewarpError } from '../errors/timewarp-error.ts';
import { connect } from '../pg/connection.ts';
import { type DatabaseSide, fromDatabaseError } from '../pg/database-error.ts';
import type { DatabaseUrls } from '../setup/databases.ts';
import { publicationExists, publicationName } from '../slot/publication.ts';
import { whyNotReadable } from '../slot/slot-lifecycle.ts';
import { readSourceFacts, type SourceFacts } from '../slot/source-facts.ts';
import { readTableFacts, type TableFacts } from '../slot/table-facts.ts';
import { expectedSchemaVersion, schemaVersion } from '../store/migrate.ts';
import { type NodeOverview, type RelationOverview, readOverview } from './overview.ts';

export interface DoctorFacts {
  readonly node: string;
  readonly store: Gathered<StoreFacts>;
  readonly source: Gathered<SourceSide>;
}

/** Facts, or why there are none. */
export type Gathered<T> =
  | { readonly facts: T; readonly error: null }
  | { readonly facts: null; readonly error: TimewarpError };

export interface StoreFacts {
  readonly schemaFound: number;
  readonly schemaExpected: number;
  /** null: no such node, or a schema that cannot be read. */
  readonly overview: NodeOverview | null;
}

export interface SourceSide {
  readonly server: SourceFacts;
  /** Why the slot cannot be read; null when it can or when there is none. */
  readonly slotUnreadable: TimewarpError | null;
  /** null unless the node reads with pgoutput. */
  readonly publicationPresent: boolean | null;
  readonly tables: readonly TableState[];
}

/** A tracked table as stored, and as the catalog has it now (null: gone). */
export interface TableState {
  readonly stored: RelationOverview;
  readonly now: TableFacts | null;
}

/** Asks the store first: it knows what to look at on the source. */
export async function gatherFacts(urls: DatabaseUrls): Promise<DoctorFacts> {
  const store = await gather('store', urls.storeUrl, urls.node, (session) => gatherStore(session, urls.node));
  const overview = store.facts?.overview ?? null;
  const source = await gather('source', urls.sourceUrl, urls.node, (session) =>
    gatherSource(session, urls.node, overview),
  );
  return { node: urls.node, store, source };
}

async function gather<T>(
  side: DatabaseSide,
  url: string,
  node: string,
  read: (session: Client) => Promise<T>,
): Promise<Gathered<T>> {
  let session: Client | undefined;
  try {
    session = await connect(url, { side, node });
    return { facts: await read(session), error: null };
  } catch (error) {
    return { facts: null, error: fromDatabaseError(error, side) };
  } finally {
    await session?.end().catch(() => {});
  }
}

async function gatherStore(session: Client, node: string): Promise<StoreFacts> {
  const [schemaFound, schemaExpected] = [await schemaVersion(session), await expectedSchemaVersion()];
  const overview = schemaFound === schemaExpected ? ((await readOverview(session, node))[0] ?? null) : null;
  return { schemaFound, schemaExpected, overview };
}

async function gatherSource(
  session: Client,
  node: string,
  overview: NodeOverview | null,
): Promise<SourceSide> {
  const stored = (overview?.relations ?? []).filter((relation) => relation.status !== 'untracked');
  const server = await readSourceFacts(session, overview?.node.slotName ?? `pgtimewarp_${node}`);
  const now = await readTableFacts(
    session,
    stored.map((relation) => relation.name),
  );
  const confirmed = server.slot?.confirmedFlushLsn ?? null;
  return {
    server,
    slotUnreadable:
      overview === null ||
      server.slot === null ||
      confirmed === null ||
      server.slot.plugin !== overview.node.plugin
        ? null
        : await whyNotReadable(session, overview.node.slotName, overview.node.plugin, confirmed),
    publicationPresent:
      overview?.node.plugin === 'pgoutput' ? await publicationExists(session, publicationName(node)) : null,
    tables: stored.map((relation, index) => ({ stored: relation, now: now[index] ?? null })),
  };
}
