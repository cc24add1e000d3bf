/** Reads what questions need of the archive. */
import { lazyArchive } from '../core/query/lazy-archive.ts';

/** With the credentials that AWS's own variables and files name; the store knows the files. */
export const readArchive = lazyArchive(async () => {
  const { archiveReader } = await import('../core/archive/read-archived.ts');
  const { ObjectStore } = await import('../core/archive/object-store.ts');
  return archiveReader(() => new ObjectStore());
});
