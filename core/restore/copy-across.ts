/** Rows go from the store to the source as they are, in the text form of COPY: no more than a few blocks of them are in memory. */
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { BulkLoad } from './bulk-script.ts';
import { IN_INDEX_ORDER } from './removed-rows.ts';
import type { Report } from './undone-changes.ts';

const NEWLINE = 0x0a;

/** Opens a session of the store. One whose COPY was not read to its end is of no more use. */
export type OpenStore = () => Promise<pg.Client>;

/** Throws RESTORE_BUSY if they are not as many as were planned. */
export async function copyAcross(
  { openStore, source }: { readonly openStore: OpenStore; readonly source: pg.Client },
  { from, into, count, through }: BulkLoad,
  report?: Report,
): Promise<void> {
  const store = await openStore();
  try {
    await store.query(IN_INDEX_ORDER);
    const writing = source.query(copyFrom(into));
    const counting = counted((rows) => report?.('copying rows', rows, count));
    const cutting = through === undefined ? [] : [through()];
    await pipeline([store.query(copyTo(from)), counting, ...cutting, writing]);
    requireCount(writing.rowCount, count);
  } finally {
    await store.end();
  }
}

/** The lines that COPY sends, for a script. Throws RESTORE_BUSY if they are not as many as were planned. */
export async function* copiedLines(openStore: OpenStore, { from, count }: BulkLoad): AsyncGenerator<Buffer> {
  const store = await openStore();
  let rows = 0;
  try {
    await store.query(IN_INDEX_ORDER);
    for await (const block of store.query(copyTo(from))) {
      rows += linesOf(block as Buffer);
      yield block as Buffer;
    }
    requireCount(rows, count);
  } finally {
    await store.end();
  }
}

function requireCount(found: number | null, planned: number): void {
  if (found !== planned)
    throw new TimewarpError(
      'RESTORE_BUSY',
      `${found} rows came from the history, and ${planned} were planned.`,
    );
}

function counted(show: (rows: number) => void): Transform {
  let rows = 0;
  return new Transform({
    transform: (block: Buffer, _encoding, done) => {
      rows += linesOf(block);
      show(rows);
      done(null, block);
    },
  });
}

/** A line ends with a newline; newlines in values are escaped. */
function linesOf(block: Buffer): number {
  let lines = 0;
  for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
