/**
 * A page of a diff that fits into a response, however big the rows are: the store is asked for a few changes at a time,
 * and the page ends before the change that would not fit. Changes come whole and in order; the cursor of the last one
 * leads to the next page.
 */

import type { Queryable } from '../core/pg/connection.ts';
import { type DiffChange, type DiffPage, type DiffRequest, diff } from '../core/query/diff.ts';
import { carriedBytes } from './carried-bytes.ts';

/** Few enough that a step of huge rows fits into memory. */
const FIRST_STEP = 4;
/** What stands around the texts of a change. */
const FRAME_BYTES = 200;

export interface Bounds {
  readonly maxBytes: number;
  /** What is made of the JSON texts of rows, values and contexts. */
  readonly show: (text: string) => string;
}

/** As `diff`, at most about `maxBytes`. A single change that is bigger comes without `changed`, or without `row` too. */
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
      if (step < page.changes.length) continue; // the same place again, as far as it fits: its cursor is the store's
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

/** How many of the first changes fit into the room that is left. */
function countFitting(sizes: readonly number[], room: number): number {
  let [fitting, used] = [0, 0];
  for (const size of sizes) {
    used += size;
    if (used > room) break;
    fitting += 1;
  }
  return fitting;
}

/** Says which members it leaves out. */
function shortened(change: DiffChange, maxBytes: number): DiffChange {
  const without = { ...change, changedText: null, omitted: ['changed'] };
  if (changeBytes(without) <= maxBytes) return without;
  return { ...without, rowText: null, omitted: ['changed', 'row'] };
}

function changeBytes({ rowText, changedText, contextText }: DiffChange): number {
  const texts = [rowText, changedText, contextText];
  return texts.reduce((sum, text) => sum + (text === null ? 4 : carriedBytes(text)), FRAME_BYTES);
}
