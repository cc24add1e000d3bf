/**
 * All rows of a table as of an instant for callers that ask page by page, in sessions of their own. The cursor holds the position of the
 * first page, so all pages are as of one moment, and what was asked, so it goes on only with that question.
 */
import { hash } from 'node:crypto';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { inSourceTransaction } from '../pg/transaction.ts';
import { tryParseCommitTime } from '../types/commit-time.ts';
import { tryParseLsn } from '../types/lsn.ts';
import { formatHistoryCursor, type HistoryCursor, historyCursorParts } from './history-page.ts';
import { type Instant, instantParameters, NOW, parseInstant } from './instant.ts';
import {
  openTable,
  SNAPSHOT,
  type TableAt,
  type TableRequest,
  type TableRow,
  tablePage,
} from './table-rows.ts';

export interface TablePageRequest extends Omit<TableRequest, 'at' | 'unknown'> {
  /** null: that of the cursor; without one, now. */
  readonly at: Instant | null;
  readonly limit: number;
  readonly cursor: string | null;
}

export interface TablePageAnswer {
  readonly table: TableAt;
  /** The instant of the first page, as it was asked for; null: now. */
  readonly requested: string | null;
  readonly rows: readonly TableRow[];
  /** Whether nulls of these rows count as NULL only because of --no-nan. */
  readonly isAssumed: boolean;
  /** The key after which the next page begins, also if this one has no rows; null: nothing follows. */
  readonly next: string | null;
  /** The cursor of the page that begins after a key of this one. */
  readonly cursorAfter: (key: string) => HistoryCursor;
}

/**
 * Reads a page in a transaction of its own, so retention removes no rows after the position was judged. Throws what openTable() and
 * tablePage() throw, and BAD_FLAGS for a cursor of another question.
 */
export function askTablePage(store: Queryable, request: TablePageRequest): Promise<TablePageAnswer> {
  return inSourceTransaction(store, () => readPage(store, request), SNAPSHOT);
}

async function readPage(
  store: Queryable,
  { node, table, at, where = {}, columns = null, order = null, readArchive, limit, cursor }: TablePageRequest,
): Promise<TablePageAnswer> {
  const question = [node, table.schema, table.name, Object.entries(where).sort(), columns, order];
  const fingerprint = hash('sha256', JSON.stringify(question), 'base64url').slice(0, 16);
  const begun = readCursor(cursor, fingerprint);
  const requested = at === null || at.kind === 'now' ? null : instantParameters(at)[2];
  if (begun !== null && requested !== null && requested !== begun.requested) throw wrongCursor();
  const instant = begun?.at ?? at ?? NOW;
  const opened = await openTable(store, { node, table, at: instant, where, columns, order, readArchive });
  // the position of a cursor is an LSN of the server that the node followed then
  if (begun !== null && `${opened.relationId}` !== begun.relation) throw wrongCursor();
  const asked = begun === null ? requested : begun.requested;
  const pinned = begun?.pinned ?? pin(opened, at ?? NOW);
  const page = await tablePage(store, opened, { after: begun?.after ?? null, limit });
  return {
    table: opened,
    requested: asked,
    rows: page.rows,
    isAssumed: page.isAssumed,
    next: page.next,
    cursorAfter: (key) =>
      formatHistoryCursor([fingerprint, `${opened.relationId}`, asked ?? '', pinned, key]),
  };
}

/** The instant of every page: as asked, or the horizon if later runs can add to it. */
function pin({ horizon }: TableAt, at: Instant): string {
  const requested = instantParameters(at)[2];
  if (horizon === null) return requested ?? '';
  const isBeyond =
    at.kind === 'now' ||
    (at.kind === 'lsn' && at.lsn > (tryParseLsn(horizon.lsn) ?? at.lsn)) ||
    (at.kind === 'time' && at.time > (tryParseCommitTime(horizon.ts) ?? at.time));
  return isBeyond || requested === null ? horizon.lsn : requested;
}

interface BegunPages {
  readonly relation: string;
  readonly requested: string | null;
  readonly pinned: string;
  readonly at: Instant;
  readonly after: string;
}

function readCursor(cursor: string | null, fingerprint: string): BegunPages | null {
  const [asked, relation, requested, pinned, after] = historyCursorParts(cursor, [
    'key',
    'number',
    'key',
    'key',
    'key',
  ]);
  if (cursor === null) return null;
  if (asked !== fingerprint) throw wrongCursor();
  try {
    const at = parseInstant(pinned!);
    return {
      relation: relation!,
      requested: requested === '' ? null : requested!,
      pinned: pinned!,
      at,
      after: after!,
    };
  } catch {
    throw wrongCursor();
  }
}

function wrongCursor(): TimewarpError {
  return new TimewarpError('BAD_FLAGS', 'The cursor does not belong to this question.', {
    remedy: 'Ask as for the first page, or start without a cursor.',
  });
}
