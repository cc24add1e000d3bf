/**
 * Reads what questions need of the archive. Its code is loaded when a question needs it: most need none of it, and every start of an
 * environment would wait for it.
 */
import type { ReadArchive } from '../../core/query/archived.ts';
import type { TimeLeft } from './bucket.ts';

/** @param time of the request that is being answered */
export function readArchiveWithin(time: TimeLeft): ReadArchive {
  let loaded: Promise<ReadArchive> | undefined;
  return async (store, wanted) => {
    loaded ??= import('./bucket.ts').then(({ openBucket }) => openBucket(time));
    return (await loaded)(store, wanted);
  };
}
