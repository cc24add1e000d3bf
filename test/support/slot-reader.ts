/** A session that keeps a slot active, like a forgotten consumer or the rest of a dead run. */
import { once } from 'node:events';
import pg from 'pg';

/** @param publication of a slot of pgoutput; the server looks for it when there are changes to send */
export async function startReading(url: string, slot: string, publication: string): Promise<void> {
  const config = { connectionString: url, replication: 'database' }; // an option of pg that its types lack
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
