/**
 * Questions in the order of keys about versions that only the archive has. They are asked for one interval of keys after the other, until a
 * page is full or has cost much.
 */
import type { Queryable } from '../pg/connection.ts';
import { type ArchivedTable, type ReadArchive, wantedOf } from './archived.ts';
import { PAGE_BYTES } from './history-page.ts';

/** Where a page begins: as the function of the store takes it. */
export type Place = readonly (string | null)[];

export interface VersionsQuestion<F, R> {
  readonly after: Place;
  /** The most rows. */
  readonly most: number;
  readonly readArchive: ReadArchive | undefined;
  /** @param archived the argument `p_archived`; null: nothing yet */
  readonly ask: (place: Place, limit: number, archived: string | null) => Promise<FoundRows<F, R>>;
  readonly textsOf: (row: R) => readonly (string | null)[];
  /** The key after which a page needs the archive. */
  readonly keyBefore: (place: Place, relationId: number) => string;
  /** The place after a key, for the next question; and for a cursor. */
  readonly placeAfter: (relationId: number, key: string) => { readonly next: Place; readonly cursor: Place };
}

export interface FoundRows<F, R> {
  readonly frame: F;
  readonly found: readonly R[];
}

export interface FoundVersions<F, R> extends FoundRows<F, R> {
  /** The place after the last key that was read; null: the store has ended the page, or no key follows. */
  readonly upto: Place | null;
  readonly isArchived: boolean;
}

interface ArchivedPeriod {
  readonly relationId: number;
  readonly reader: ArchivedTable;
}

/** The cutoff may move while the archive is read. */
const MOST_TRIES = 12;

/** Perhaps only few of the keys match. */
const FEWEST_KEYS = 1_000;

/** Asks the store, and if it refuses because the archive has the versions, asks again with these. */
export async function findVersions<F, R>(
  store: Queryable,
  question: VersionsQuestion<F, R>,
): Promise<FoundVersions<F, R>> {
  const { after, most, ask, readArchive } = question;
  let archived: ArchivedPeriod | null = null;
  for (let tries = 1; ; tries++) {
    try {
      if (archived !== null) return await findArchived(store, archived, question);
      return { ...(await ask(after, most, null)), upto: null, isArchived: false };
    } catch (error) {
      const wanted = wantedOf(error);
      if (wanted?.kind !== 'versions' || readArchive === undefined || tries === MOST_TRIES) throw error;
      const { relationId, before, from: lsn, to } = wanted;
      if (archived !== null && archived.relationId !== relationId) throw error; // the archive has two periods
      const reader = await readArchive.openTable(store, { relationId, before, lsn, to });
      archived = { relationId, reader };
    }
  }
}

async function findArchived<F, R>(
  store: Queryable,
  { relationId, reader }: ArchivedPeriod,
  { after, most, ask, textsOf, keyBefore, placeAfter }: VersionsQuestion<F, R>,
): Promise<FoundVersions<F, R>> {
  const found: R[] = [];
  let bytes = 0;
  for (let place = after; ; ) {
    const keys = Math.max(most, FEWEST_KEYS);
    const begin = keyBefore(place, relationId);
    const { part, upto } = await reader.page(store, { after: begin, keys, goesOn: false });
    const answer = await ask(place, most - found.length, `[${part}]`);
    found.push(...answer.found);
    for (const row of answer.found) for (const text of textsOf(row)) bytes += Buffer.byteLength(text ?? '');
    const end = upto === null ? null : placeAfter(relationId, upto);
    if (end === null || found.length >= most || bytes > PAGE_BYTES || reader.isDear)
      return { frame: answer.frame, found, upto: end === null ? null : end.cursor, isArchived: true };
    place = end.next;
  }
}
