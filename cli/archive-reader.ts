/** Reads what questions need of the archive. Its code is loaded when a question needs it. */
import type { ReadArchive } from '../core/query/archived.ts';

let loaded: Promise<ReadArchive> | undefined;

/** With the credentials that AWS's own variables and files name; the store knows the files. */
export const readArchive: ReadArchive = Object.assign(
  async (...asked: Parameters<ReadArchive>) => (await load())(...asked),
  {
    readInterval: async (...asked: Parameters<ReadArchive['readInterval']>) =>
      (await load()).readInterval(...asked),
    openTable: async (...asked: Parameters<ReadArchive['openTable']>) => (await load()).openTable(...asked),
  },
);

function load(): Promise<ReadArchive> {
  loaded ??= loadNow();
  return loaded;
}

async function loadNow(): Promise<ReadArchive> {
  const { archiveReader } = await import('../core/archive/read-archived.ts');
  const { ObjectStore } = await import('../core/archive/object-store.ts');
  return archiveReader(() => new ObjectStore());
}
