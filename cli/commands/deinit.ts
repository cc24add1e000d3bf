/** `deinit`: removes a node from its source. */
import type { Command } from 'commander';
import { deinit } from '../../core/setup/deinit.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export function registerDeinit(program: Command, run: Run): Command {
  return program
    .command('deinit')
    .description('stop observing: drop slot, publication and node; history stays unless purged')
    .option('--purge', 'delete the history of the node as well, for good')
    .addHelpText('after', '\nExample:\n  pgtimewarp deinit --node shop --purge')
    .action((flags: { purge?: boolean }) =>
      run(async ({ settings, out }) => {
        const result = await deinit({ ...settings.databases, purge: flags.purge === true });
        out.result(
          {
            node: result.node,
            removed: result.removed,
            slot_dropped: result.slotDropped,
            publication_dropped: result.publicationDropped,
            purged: result.purged,
          },
          () => {
            const first = result.removed
              ? `Node "${result.node}" is removed.`
              : `Node "${result.node}" had been removed before.`;
            return `${first} ${result.purged ? 'Its history is deleted.' : 'Its history stays.'}`;
          },
        );
        return EXIT.done;
      }),
    );
}
