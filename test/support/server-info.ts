/** What the global setup passes to the test files: how to reach the PostgreSQL server of this run. */
import { inject } from 'vitest';

export interface ServerInfo {
  readonly kind: 'local' | 'embedded' | 'docker';
  readonly version: string;
  readonly hasWal2json: boolean;
  /** The folder that contains psql and pgbench, if this machine has them: see {@link clientProgram} in needs.ts. */
  readonly binDir: string;
  /** Superuser, database `postgres`. */
  readonly adminUrl: string;
  /** The migrated database that stores are copied from. */
  readonly storeTemplate: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    server: ServerInfo;
  }
}

/** Only in the projects that have a server (see vitest.config.ts). */
export function serverInfo(): ServerInfo {
  return inject('server');
}
