/** `npm run schema:dump`: writes migrations/schema.sql, the schema of a migrated store. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../core/pg/connection.ts';
import { migrate } from '../../core/store/schema/migrate.ts';
import { startServer } from '../servers/start-server.ts';
import { dumpSchema, SCHEMA_FILE } from './schema-dump.ts';

await using server = await startServer();
await server.createDatabase('store');
const url = server.url('store');
const store = await connect(url, { side: 'store', node: 'schema' });
await migrate(store);
await store.end();
await writeFile(SCHEMA_FILE, await dumpSchema(join(server.binDir, 'pg_dump'), url));
