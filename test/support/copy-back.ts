/** Reads CSV back into a table by psql's \copy, and compares tables row by row. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { serverInfo } from './server-info.ts';

const run = promisify(execFile);

/** @param target a table, with or without a list of columns, as \copy accepts it */
export async function copyBack(url: string, csv: string, target: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-test-'));
  try {
    const path = join(folder, 'rows.csv');
    await writeFile(path, csv);
    await psql(url, ['-c', `\\copy ${target} from '${path}' (format csv, header)`]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function psql(url: string, args: readonly string[], cwd?: string): Promise<string> {
  const { stdout } = await run(
    join(serverInfo().binDir, 'psql'),
    ['-XAtq', '-v', 'ON_ERROR_STOP=1', ...args, url],
    cwd === undefined ? {} : { cwd },
  );
  return stdout;
}

/**
 * The number of rows that each of two queries has and the other does not. Rows are compared as text: json, xml and others have
 * no equality.
 */
export async function differences(
  session: pg.Client,
  left: string,
  right: string,
): Promise<[string, string]> {
  const rows = (query: string): string => `SELECT r::text FROM (${query}) AS r`;
  const { rows: counts } = await session.query<{ missing: string; added: string }>(
    `SELECT (SELECT count(*) FROM (${rows(left)} EXCEPT ALL ${rows(right)}) AS m)::text AS missing,
            (SELECT count(*) FROM (${rows(right)} EXCEPT ALL ${rows(left)}) AS m)::text AS added`,
  );
  return [counts[0]!.missing, counts[0]!.added];
}
