/**
 * Questions about one row whose answer needs history that only the archive has. The store refuses such a question and says which changes
 * are missing; a reader gets them from the archive, and the same function of the store answers with them. So there is one
 * implementation of every verdict, wherever a change is kept.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { KeyInput } from './key-input.ts';

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
export type ReadArchive = (store: Queryable, wanted: ArchivedWanted) => Promise<string>;

/** A diff may need several periods, and the cutoff of each may move while the archive is read. */
const MOST_TRIES = 12;

export interface ArchivedQuestion {
  readonly pks: readonly KeyInput[];
  readonly mayBeDamaged: boolean;
  /** Without it a question that needs the archive is refused: ARCHIVED. */
  readonly readArchive?: ReadArchive | undefined;
}

/** Asks, and asks again with what the archive has as long as the store wants more. @param ask gets the argument `p_archived`; null: nothing yet */
export async function askingArchive<T>(
  store: Queryable,
  { pks, mayBeDamaged, readArchive }: ArchivedQuestion,
  ask: (archived: string | null) => Promise<T>,
): Promise<T> {
  const parts = new Map<number, string>();
  for (let tries = 1; ; tries++) {
    try {
      return await ask(parts.size === 0 ? null : `[${[...parts.values()].join(',')}]`);
    } catch (error) {
      const interval = archivedInterval(error);
      if (interval === null || readArchive === undefined || tries === MOST_TRIES) throw error;
      parts.set(interval.relationId, await readArchive(store, { ...interval, pks, mayBeDamaged }));
    }
  }
}

/** Whether the store has refused a question because the archive has what it needs. */
export function isArchived(error: unknown): boolean {
  return archivedInterval(error) !== null;
}

function archivedInterval(error: unknown): ArchivedInterval | null {
  if (!(error instanceof TimewarpError) || error.code !== 'ARCHIVED') return null;
  const { relationId, before, from, to } = error.facts as unknown as ArchivedInterval;
  return { relationId, before, from, to };
}
