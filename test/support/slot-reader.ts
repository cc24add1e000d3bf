/** A session that holds a slot active, as a forgotten consumer does, or what a dead run has left behind. */
import { once } from 'node:events';
import pg from 'pg';

/** @param publication of a slot of pgoutput; it is looked for when there are changes to send */
export async function startReading(url: string, slot: string, publication: string): Promise<void> {
  const config = { connectionString: url, replication: 'database' }; // an option of pg that its types do not know
  const reader = new pg.Client(config);
  reader.on('error', () => undefined);
  await reader.connect();
  const started = once(reader.connection, 'replicationStart');
  reader
    .query(
      `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names '${publication}')`,
    )
    .catch(() => undefined);
  await started;
}
