/** Reads what questions need of the archive. Were its code loaded before a question needs it, every start of an environment would wait for it. */
import type { ReadArchive } from '../../core/query/archived.ts';
import { lazyArchive } from '../../core/query/lazy-archive.ts';
import type { TimeLeft } from './bucket.ts';

/** @param time of the request that is being answered */
export function readArchiveWithin(time: TimeLeft): ReadArchive {
  return lazyArchive(async () => (await import('./bucket.ts')).openBucket(time));
}
