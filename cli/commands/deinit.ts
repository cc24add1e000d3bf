/** `deinit`: removes a node from its source. */
import type { Command } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { planDeinit } from '../../core/plan.ts';
import { type DeinitResult, deinit } from '../../core/setup/deinit.ts';
import { forgetSource } from '../../core/setup/forget-source.ts';
import { deinitDocument } from '../../documents/set-up.ts';
import type { CommandContext, Run } from '../command.ts';
import { type ConfirmFlags, confirmOptions, mayGoOn } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';

export function registerDeinit(program: Command, run: Run): Command {
  const command = program
    .command('deinit')
    .description('stop observing: drop slot, publication and node; history stays unless purged')
    .option('--purge', 'delete the history of the node as well, for good')
    .option('--forget-source', 'remove the node without contacting the source, which is gone for good');
  return confirmOptions(command)
    .addHelpText('after', '\nExample:\n  pgtimewarp deinit --node shop --purge')
    .action((flags: DeinitFlags) =>
      run(async (context) => {
        const plan = () => planDeinit({ ...wanted(context, flags), asksSource: flags.forgetSource !== true });
        if (!(await mayGoOn(context, flags, plan))) return EXIT.done;
        const { result, leftOnSource } = await remove(context, flags);
        context.out.result(deinitDocument(result, leftOnSource), () => describe(result, leftOnSource ?? []));
        return EXIT.done;
      }),
    );
}

interface DeinitFlags extends ConfirmFlags {
  readonly purge?: boolean;
  readonly forgetSource?: boolean;
}

interface Removal {
  readonly result: DeinitResult;
  /** null when the command cleaned up the source. */
  readonly leftOnSource: readonly string[] | null;
}

function wanted({ settings }: CommandContext, flags: DeinitFlags) {
  return { storeUrl: settings.storeUrl, node: settings.node, purge: flags.purge === true };
}

async function remove(context: CommandContext, flags: DeinitFlags): Promise<Removal> {
  const { settings } = context;
  if (flags.forgetSource) {
    const result = await forgetSource({ ...wanted(context, flags), sourceUrl: settings.optionalSourceUrl });
    return { result, leftOnSource: result.leftOnSource };
  }
  try {
    return {
      result: await deinit({ ...settings.databases, purge: flags.purge === true }),
      leftOnSource: null,
    };
  } catch (error) {
    if (!(error instanceof TimewarpError) || error.code !== 'SOURCE_UNREACHABLE') throw error;
    const { code, message, facts } = error;
    const remedy =
      'Check host, port and firewall in --source; the slot there keeps WAL until it is dropped. ' +
      'If the server is gone for good: pgtimewarp deinit --forget-source';
    throw new TimewarpError(code, message, { facts, remedy, cause: error });
  }
}

function describe(result: DeinitResult, leftOnSource: readonly string[]): string {
  const first = result.removed
    ? `Node "${result.node}" is removed.`
    : `Node "${result.node}" had been removed before.`;
  const lines = [`${first} ${result.purged ? 'Its history is deleted.' : 'Its history stays.'}`];
  if (leftOnSource.length > 0) {
    lines.push(
      'The source was not contacted. If it comes back, run this there, or it will keep WAL for ever:',
    );
    lines.push(...leftOnSource.map((sql) => `  ${sql}`));
  }
  return lines.join('\n');
}
