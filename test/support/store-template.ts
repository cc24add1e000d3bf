/** A migrated store made once per run; the stores of the tests are copies of it. */
import { createDatabase, databaseUrl } from '../../cli/servers/databases.ts';
import { migrate } from '../../core/store/schema/migrate.ts';
import { connectForTest } from './test-client.ts';

const TEMPLATE = 'pgtimewarp_store_template';

/** @returns the name of the database to copy */
export async function prepareStoreTemplate(adminUrl: string): Promise<string> {
  await createDatabase(adminUrl, TEMPLATE);
  const session = await connectForTest(databaseUrl(adminUrl, TEMPLATE));
  try {
    await migrate(session);
  } finally {
    await session.end(); // PostgreSQL copies a database only if no session is connected to it
  }
  return TEMPLATE;
}
