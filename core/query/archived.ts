/**
 * Questions whose answer needs history that only the archive has. The store refuses such a question and says which changes
 * are missing; a reader gets them from the archive, and the same function of the store answers with them. So there is one
 * implementation of every verdict, wherever a change is kept.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { KeyInput } from './key-input.ts';

export type IntervalKind = 'changes' | 'counts';

/** The changes of a period that a question needs: those before `before` in (from, to], and for each key the ones next to that interval. */
export interface ArchivedInterval {
  readonly relationId: number;
  readonly before: string;
  readonly from: string;
  readonly to: string;
}

export interface ArchivedWanted extends ArchivedInterval {
  readonly pks: readonly KeyInput[];
  /** Whether keys with a file that cannot be read are reported; otherwise that is an error. */
  readonly mayBeDamaged: boolean;
}

/**
 * Reads changes from the archive, as JSON for the functions of the store (functions/archive/archived_part.sql). Throws
 * ARCHIVE_UNREACHABLE, ARCHIVE_TOO_MUCH, ARCHIVE_DAMAGED.
 */
export interface ReadArchive {
  (store: Queryable, wanted: ArchivedWanted): Promise<string>;
  /** For questions about an interval: its changes, or how many each commit made. */
  readonly readInterval: (store: Queryable, kind: IntervalKind, wanted: ArchivedInterval) => Promise<string>;
  /** For questions about all rows of a table. Throws ARCHIVE_DAMAGED if the store does not know all files. */
  readonly openTable: (store: Queryable, wanted: ArchivedTableWanted) => Promise<ArchivedTable>;
}

/** A period whose rows as of a position only the archive has. */
export interface ArchivedTableWanted {
  readonly relationId: number;
  readonly before: string;
  readonly lsn: string;
  /** Also all changes up to here, and the first one after it; otherwise that one only where it decides whether a row was there. */
  readonly to?: string;
}

/** Keys of a table in their order, with what table_rows() or find_rows() needs of each. */
export interface ArchivedTable {
  /**
   * What is known of the next keys after `after`, about `keys` of them. Asked for in turn, pages read no byte twice. It throws
   * ARCHIVE_DAMAGED rather than to leave out a key that a file should have.
   */
  readonly page: (store: Queryable, request: ArchivedPageRequest) => Promise<ArchivedPage>;
  /** Whether a page of the answer should end here because it has cost much. */
  readonly isDear: boolean;
  /** A new page of the answer begins. */
  readonly beginPage: () => void;
}

export interface ArchivedPageRequest {
  /** '': the first page. */
  readonly after: string;
  readonly keys: number;
  /** Whether the caller wants the pages that follow: they are read ahead. */
  readonly goesOn: boolean;
}

export interface ArchivedPage {
  /** JSON for the functions of the store. */
  readonly part: string;
  /** The last key of the page; null: no key follows. */
  readonly upto: string | null;
}

/** A diff may need several periods, and the cutoff of each may move while the archive is read. */
const MOST_TRIES = 12;

/** A question about a node may need every table, and several intervals of it. */
const MOST_TRIES_OF_INTERVALS = 500;

export interface ArchivedQuestion {
  readonly pks: readonly KeyInput[];
  readonly mayBeDamaged: boolean;
  /** Without it a question that needs the archive is refused: ARCHIVED. */
  readonly readArchive?: ReadArchive | undefined;
}

/** Asks, and asks again with what the archive has as long as the store wants more. @param ask gets the argument `p_archived`; null: nothing yet */
export function askingArchive<T>(
  store: Queryable,
  { pks, mayBeDamaged, readArchive }: ArchivedQuestion,
  ask: (archived: string | null) => Promise<T>,
): Promise<T> {
  return asking(ask, MOST_TRIES, ({ kind, ...interval }) =>
    kind === 'keys' && readArchive !== undefined
      ? readArchive(store, { ...interval, pks, mayBeDamaged })
      : null,
  );
}

/** As {@link askingArchive}, for questions about intervals. */
export function askingIntervals<T>(
  store: Queryable,
  readArchive: ReadArchive | undefined,
  ask: (archived: string | null) => Promise<T>,
): Promise<T> {
  return asking(ask, MOST_TRIES_OF_INTERVALS, ({ kind, ...interval }) =>
    (kind === 'changes' || kind === 'counts') && readArchive !== undefined
      ? readArchive.readInterval(store, kind, interval)
      : null,
  );
}

/** What the store wants of the archive: the error that refused a question says it. Null: it was another error. */
export function wantedOf(error: unknown): Wanted | null {
  if (!(error instanceof TimewarpError) || error.code !== 'ARCHIVED') return null;
  const { kind, relationId, before, from, to } = error.facts as unknown as Wanted;
  return { kind, relationId, before, from, to };
}

interface Wanted extends ArchivedInterval {
  /** See functions/archive/archived_part.sql. */
  readonly kind: string;
}

/** @param read null: nothing reads that. */
async function asking<T>(
  ask: (archived: string | null) => Promise<T>,
  mostTries: number,
  read: (wanted: Wanted) => Promise<string> | null,
): Promise<T> {
  const parts = new Map<string, string>();
  for (let tries = 1; ; tries++) {
    try {
      return await ask(parts.size === 0 ? null : `[${[...parts.values()].join(',')}]`);
    } catch (error) {
      const wanted = wantedOf(error);
      const reading = wanted === null || tries === mostTries ? null : read(wanted);
      if (reading === null) throw error;
      // a part with another cutoff stays, and the store ignores it
      parts.set(JSON.stringify(wanted), await reading);
    }
  }
}

/** Whether the store has refused a question because the archive has what it needs. */
export function isArchived(error: unknown): boolean {
  return wantedOf(error) !== null;
}
