/**
 * For suites that need something that not every machine has. If it is missing, the suite becomes one skipped test, which is
 * listed at the end of the run. With CI set it fails, so that no missing test is overlooked, unless it is from neither npm nor
 * Debian: the project must be able to do without that.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { CHROMIUM } from './browser.ts';
import { MISSING } from './missing-note.ts';
import { NGINX } from './nginx.ts';
import { PGBOUNCER } from './pooler.ts';
import { serverInfo } from './server-info.ts';

/** The Debian package that contains it. */
export const BUSYBOX = '/usr/bin/busybox';

export interface Need {
  readonly what: string;
  readonly met: boolean;
  readonly remedy: string;
  /** It is from neither npm nor Debian. */
  readonly isForeign?: true;
}

/** The output plugin wal2json in the server of this run. */
export function wal2json(): Need {
  const remedy = 'apt-get install postgresql-15 postgresql-15-wal2json';
  return { what: 'wal2json', met: serverInfo().hasWal2json, remedy };
}

/** A program of an installed PostgreSQL: npm's package contains only the server. */
export function clientProgram(name: 'psql' | 'pgbench' | 'pg_dump'): Need {
  const met = existsSync(join(serverInfo().binDir, name));
  return { what: name, met, remedy: 'apt-get install postgresql-15 postgresql-15-wal2json' };
}

/** A connection pooler. */
export function pgbouncer(): Need {
  return { what: 'pgbouncer', met: existsSync(PGBOUNCER), remedy: 'apt-get install pgbouncer' };
}

/** An HTTP proxy. */
export function nginx(): Need {
  return { what: 'nginx', met: existsSync(NGINX), remedy: 'apt-get install nginx-light' };
}

/** A browser. */
export function chromium(): Need {
  return { what: 'chromium', met: existsSync(CHROMIUM), remedy: 'apt-get install chromium' };
}

/** The `env` of Alpine and other small systems. */
export function busybox(): Need {
  return { what: 'busybox', met: existsSync(BUSYBOX), remedy: 'apt-get install busybox' };
}

/** Messages of the server in German: Debian's PostgreSQL contains them. */
export function germanMessages(): Need {
  const version = /^\/usr\/lib\/postgresql\/(\d+)\//.exec(serverInfo().binDir)?.[1];
  const met = version !== undefined && existsSync(`/usr/share/locale/de/LC_MESSAGES/postgres-${version}.mo`);
  return { what: 'messages of PostgreSQL in German', met, remedy: 'apt-get install postgresql-15' };
}

/** The first of several needs that is not met, or any of them. */
export function allOf(...needs: readonly [Need, ...Need[]]): Need {
  return needs.find((need) => !need.met) ?? needs[0];
}

/** Like `describe(name, body)` if the need is met. */
export function describeNeeding(need: Need, name: string, body: () => void): void {
  if (need.met) {
    describe(name, body);
    return;
  }
  describe(name, () => {
    test(`needs ${need.what}`, (context) => {
      const note = `${MISSING}${need.what} (${need.remedy})`;
      if (isCi() && need.isForeign !== true) throw new Error(note);
      context.skip(note);
    });
  });
}

function isCi(): boolean {
  return !['', '0', 'false', undefined].includes(process.env.CI);
}
