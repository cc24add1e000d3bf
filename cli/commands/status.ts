/** `status`: shows nodes, tables, horizon, lag. */
import type { Command } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect } from '../../core/pg/connection.ts';
import { readStatus } from '../../core/status.ts';
import { requireSchema } from '../../core/store/schema/migrate.ts';
import { statusDocument } from '../../documents/status.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { pause } from '../interrupt.ts';
import { renderStatus } from '../render/status.ts';

const WATCH_MS = 2_000;

export function registerStatus(program: Command, run: Run): Command {
  return program
    .command('status')
    .description('show nodes, tables, horizon and lag: of all nodes, or only of --node')
    .option('--watch', 'repeat every two seconds until Ctrl-C')
    .addHelpText('after', '\nExample:\n  pgtimewarp status --watch')
    .action((flags: { watch?: boolean }) =>
      run(
        async (context) => {
          const { settings, out, signal } = context;
          if (flags.watch && out.json)
            throw new TimewarpError(
              'BAD_FLAGS',
              '--watch cannot be combined with --json, which prints one document.',
            );
          const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
          try {
            await requireSchema(store);
            const only = program.getOptionValueSource('node') === 'cli' ? settings.node : null;
            const sourceUrl = settings.optionalSourceUrl;
            for (;;) {
              const document = statusDocument(
                await readStatus(store, { only, sourceUrl, sessionNode: settings.node }),
              );
              out.result(
                document,
                () => `${flags.watch ? out.clearScreen : ''}${renderStatus(document, out)}`,
              );
              if (!flags.watch) return EXIT.done;
              await pause(WATCH_MS, signal);
              if (signal.aborted) return EXIT.interrupted;
            }
          } finally {
            await store.end().catch(() => {});
          }
        },
        flags.watch ? 'when stopped' : 'by itself',
      ),
    );
}
