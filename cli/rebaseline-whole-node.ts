/** `rebaseline --node`: creates a new slot, reads every table again and records the gap. */
import { rebaselineNode } from '../core/rebaseline-node.ts';
import { rebaselinedNodeDocument } from '../documents/repair.ts';
import type { CommandContext } from './command.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { rowsProgress } from './progress.ts';

export async function rebaselineWholeNode(
  { settings, out, signal }: CommandContext,
  version: string,
): Promise<ExitCode> {
  using progress = rowsProgress(out);
  const result = await rebaselineNode({
    ...settings.databases,
    version,
    signal,
    onProgress: (message, step) => progress.show(message, step?.rows, step?.estimatedRows),
  });
  out.result(rebaselinedNodeDocument(result), () =>
    [
      `Node "${result.node}" is repaired. Answers from ${result.gap.from} to ${result.gap.to} are unknown.`,
      `${result.tables.length} ${result.tables.length === 1 ? 'table was' : 'tables were'} read again.`,
      ...(result.samePositions ? [] : ['Positions (LSNs) begin again: ask about earlier states by time.']),
      ...result.ended.map((each) => `Not tracked any more: ${each.table}. ${each.reason}`),
    ].join('\n'),
  );
  return EXIT.done;
}
