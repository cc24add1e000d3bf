/** A reader of the archive whose code is loaded when the first question needs it: most questions need none of it. */
import type { ReadArchive } from './archived.ts';

export function lazyArchive(load: () => Promise<ReadArchive>): ReadArchive {
  let loaded: Promise<ReadArchive> | undefined;
  const reader = (): Promise<ReadArchive> => (loaded ??= load());
  const readKeys = async (...asked: Parameters<ReadArchive>): Promise<string> => (await reader())(...asked);
  return Object.assign(readKeys, {
    readInterval: async (...asked: Parameters<ReadArchive['readInterval']>) =>
      (await reader()).readInterval(...asked),
    openTable: async (...asked: Parameters<ReadArchive['openTable']>) => (await reader()).openTable(...asked),
  });
}
