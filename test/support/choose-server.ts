/** Which PostgreSQL the tests run on, and why: TEST_PG decides, else an installed one with wal2json, else npm's. */
import {
  chooseBinaries,
  findEmbeddedBinaries,
  findLocalBinaries,
  type PostgresBinaries,
} from '../../cli/servers/find-binaries.ts';

export interface ServerChoice {
  readonly binaries: PostgresBinaries;
  readonly why: string;
}

export async function chooseServer(wish = process.env.TEST_PG): Promise<ServerChoice> {
  if (wish === 'local' || wish === 'embedded') {
    return { binaries: await chooseBinaries(wish), why: `TEST_PG=${wish}` };
  }
  if (wish !== undefined && wish !== '') throw new Error(`TEST_PG is ${wish}; it can be local or embedded`);
  const local = (await findLocalBinaries())[0];
  if (local?.hasWal2json) return { binaries: local, why: 'installed here, with wal2json' };
  const embedded = (await findEmbeddedBinaries())[0];
  if (embedded !== undefined) return { binaries: embedded, why: 'no installed PostgreSQL has wal2json' };
  return {
    binaries: await chooseBinaries('local'),
    why: 'wal2json is nowhere, and npm has no PostgreSQL for this platform',
  };
}
