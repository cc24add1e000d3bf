/**
 * Makes a page of a diff that fits into a response, however large the rows are. It reads a few changes at a time from the store and
 * ends the page before the first change that does not fit. Changes are complete and in order. The cursor of the last one leads to
 * the next page.
 */

import type { Queryable } from '../core/pg/connection.ts';
import { type DiffChange, type DiffPage, type DiffRequest, diff } from '../core/query/diff.ts';
import { carriedBytes } from './carried-bytes.ts';

/** So few changes that even those of huge rows fit into memory. */
const FIRST_STEP = 4;
/** The size of a change apart from the texts of its values. */
const FRAME_BYTES = 200;

export interface Bounds {
  readonly maxBytes: number;
  /** Changes the JSON texts of rows, values and contexts for the response. */
  readonly show: (text: string) => string;
}

/** As `diff`, with at most about `maxBytes`. A single change that is larger comes without `changed`, or also without `row`. */
export async function boundedDiff(
  store: Queryable,
  request: DiffRequest,
  { maxBytes, show }: Bounds,
): Promise<DiffPage> {
  const changes: DiffChange[] = [];
  let bytes = 0;
  let cursor = request.cursor ?? null;
  for (let step = Math.min(FIRST_STEP, request.limit); ; ) {
    const page = shown(await diff(store, { ...request, cursor, limit: step }), show);
    const sizes = page.changes.map(changeBytes);
    const stepBytes = sizes.reduce((sum, size) => sum + size, 0);
    if (bytes + stepBytes > maxBytes && (page.changes.length > 1 || changes.length > 0)) {
      const fitting = countFitting(sizes, maxBytes - bytes);
      if (fitting === 0 && changes.length > 0) return { ...page, changes, nextCursor: cursor };
      step = Math.max(1, fitting);
      if (step < page.changes.length) continue; // reads the same place again, now only the changes that fit: the store makes the cursor
    }
    changes.push(
      ...(stepBytes > maxBytes ? page.changes.map((each) => shortened(each, maxBytes)) : page.changes),
    );
    bytes += stepBytes;
    cursor = page.nextCursor;
    const missing = request.limit - changes.length;
    if (cursor === null || missing === 0 || bytes >= maxBytes) return { ...page, changes };
    const room = Math.floor((maxBytes - bytes) / Math.max(1, bytes / changes.length));
    step = Math.min(missing, Math.max(1, room));
  }
}

function shown(page: DiffPage, show: Bounds['show']): DiffPage {
  const orNull = (text: string | null): string | null => (text === null ? null : show(text));
  const changes = page.changes.map((change) => ({
    ...change,
    rowText: orNull(change.rowText),
    changedText: orNull(change.changedText),
    contextText: orNull(change.contextText),
  }));
  return { ...page, changes };
}

/** How many of the first changes fit into the remaining bytes. */
function countFitting(sizes: readonly number[], room: number): number {
  let [fitting, used] = [0, 0];
  for (const size of sizes) {
    used += size;
    if (used > room) break;
    fitting += 1;
  }
  return fitting;
}

/** Leaves out members until the change fits, and names them in the change. */
function shortened(change: DiffChange, maxBytes: number): DiffChange {
  const without = { ...change, changedText: null, omitted: ['changed'] };
  if (changeBytes(without) <= maxBytes) return without;
  return { ...without, rowText: null, omitted: ['changed', 'row'] };
}

function changeBytes({ rowText, changedText, contextText }: DiffChange): number {
  const texts = [rowText, changedText, contextText];
  return texts.reduce((sum, text) => sum + (text === null ? 4 : carriedBytes(text)), FRAME_BYTES);
}
