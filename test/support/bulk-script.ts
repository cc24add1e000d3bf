/** The script of a restore in bulk, as `restore --plan` writes it. */
import { connect } from '../../core/pg/connection.ts';
import type { RestoreScriptInput } from '../../core/restore/restore-input.ts';
import { scriptBlocks } from '../../core/restore/write-script.ts';
import type { TrackedNode } from './tracked-node.ts';

export async function writtenScript(node: TrackedNode, input: RestoreScriptInput): Promise<string> {
  const openStore = () => connect(node.storeUrl, { side: 'store', node: node.node });
  const blocks: Buffer[] = [];
  for await (const block of scriptBlocks(openStore, input)) blocks.push(Buffer.from(block));
  return Buffer.concat(blocks).toString('utf8');
}
