/** Reads what questions about one row need of the archive. Its code is loaded when a question needs it. */
import type { ReadArchive } from '../core/query/archived.ts';

let loaded: Promise<ReadArchive> | undefined;

/** With the credentials that AWS's own variables and files name; the store knows the files. */
export const readArchive: ReadArchive = async (store, wanted) => {
  loaded ??= load();
  return (await loaded)(store, wanted);
};

async function load(): Promise<ReadArchive> {
  const { archiveReader } = await import('../core/archive/read-archived.ts');
  const { ObjectStore } = await import('../core/archive/object-store.ts');
  return archiveReader(() => new ObjectStore());
}
