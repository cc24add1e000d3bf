/** `make installcheck` of the extension on a temporary server, with a small history in a store on the same server. */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { findLocalBinaries } from '../../cli/servers/find-binaries.ts';
import { startServer } from '../../cli/servers/start-server.ts';
import { StoreHistory } from '../pg/query/query-history.ts';
import { prepareStoreTemplate } from './store-template.ts';
import { connectForTest } from './test-client.ts';

const pgConfig = process.argv[2] ?? 'pg_config';
const binaries = (await findLocalBinaries()).find(({ binDir }) => binDir === dirname(pgConfig));
if (binaries === undefined) throw new Error(`There is no server beside ${pgConfig}.`);
await using server = await startServer({ binaries });
const store = await makeStore('pgtimewarp_installcheck_store');
const url = new URL(server.url());
const check = spawnSync('make', ['-C', 'extension', `PG_CONFIG=${pgConfig}`, 'installcheck'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGPASSWORD: url.password,
  },
});
await store.end();
process.exitCode = check.status ?? 1;

/** One row of public.t: inserted at 0/1400, updated at 0/1E00, deleted at 0/2800; a gap from 0/3C00 to 0/4600. */
async function makeStore(name: string) {
  await server.createDatabase(name, await prepareStoreTemplate(server.url()));
  const session = await connectForTest(server.url(name));
  await session.query(
    `CREATE ROLE installcheck_reader LOGIN PASSWORD 'installcheck' IN ROLE pgtimewarp_reader`,
  );
  const history = await StoreHistory.create(session);
  const t = await history.track();
  await history.change(t, 20, 'I');
  await history.change(t, 30, 'U');
  await history.change(t, 40, 'D');
  await history.gap(60, 70);
  return session;
}
