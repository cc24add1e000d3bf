/** The script of a restore as a file. Rows in bulk are read from the store while it is written. */
import { bulkLoads } from './bulk-script.ts';
import { copiedLines, type OpenStore } from './copy-across.ts';
import type { RestoreScriptInput } from './restore-input.ts';
import { scriptParts } from './restore-script.ts';

/** Throws RESTORE_BUSY if the history is another than when the restore was planned. */
export async function* scriptBlocks(
  openStore: OpenStore,
  input: RestoreScriptInput,
): AsyncGenerator<string | Buffer> {
  const { before, after } = scriptParts(input);
  yield before;
  for (const load of bulkLoads(input)) {
    yield `\n${load.into};\n`;
    yield* copiedLines(openStore, load);
    yield '\\.\n';
  }
  yield after;
}
