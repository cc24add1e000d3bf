/** Bulk writes by COPY in text format (PostgreSQL manual, "COPY", "Text Format"). */
import { once } from 'node:events';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** The text that COPY reads as NULL. */
export const COPY_NULL = '\\N';

const NEEDS_ESCAPE = /[\\\t\n\r]/;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** A value as COPY's text format wants it; null becomes \N. */
export function copyText(value: string | null): string {
  if (value === null) return COPY_NULL;
  return NEEDS_ESCAPE.test(value) ? value.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character]!) : value;
}

/** A text array as COPY wants it; null becomes \N. */
export function copyTextArray(values: readonly string[] | null): string {
  if (values === null) return COPY_NULL;
  return copyText(`{${values.map((value) => `"${value.replace(/[\\"]/g, '\\$&')}"`).join(',')}}`);
}

/**
 * Sends chunks of lines to `COPY target FROM STDIN` and resolves when the server has taken them all. `target` names
 * table and columns and is ours, never input.
 */
export async function copyInto(session: pg.Client, target: string, chunks: Iterable<string>): Promise<void> {
  const stream = session.query(copyFrom(`COPY ${target} FROM STDIN`));
  const finished = new Promise<void>((resolve, reject) => {
    stream.on('finish', resolve);
    stream.on('error', reject);
  });
  finished.catch(() => {});
  try {
    for (const chunk of chunks) {
      if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), finished]);
    }
    stream.end();
  } catch (error) {
    stream.destroy(error as Error);
    throw error;
  }
  await finished;
}
