/**
 * The schema of a migrated store as text that is the same on every machine. It is committed for reviews, and a test compares
 * it with a new dump.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const SCHEMA_FILE = join(import.meta.dirname, '../../migrations/schema.sql');

const HEADER =
  '-- The schema that all migrations together make. Written by `npm run schema:dump`; not for running.\n';

/** Runs pg_dump and removes lines that depend on its version or on the moment. */
export async function dumpSchema(pgDump: string, url: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    pgDump,
    ['--schema-only', '--schema=pgtimewarp', '--no-owner', '--dbname', url],
    { maxBuffer: 16 * 1024 * 1024 },
  );
  return normalizeDump(stdout);
}

/** Without settings, comments of pg_dump (they name versions), and `\restrict`, whose key is random. */
function normalizeDump(dump: string): string {
  const lines = dump
    .split('\n')
    .filter((line) => !/^(--|SET |\\(un)?restrict |SELECT pg_catalog\.set_config)/.test(line));
  return `${HEADER}\n${lines
    .join('\n')
    .trim()
    .replace(/\n{3,}/g, '\n\n')}\n`;
}
