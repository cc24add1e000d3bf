/** `migrate`: brings the store's schema up to date. */
import type { Command } from 'commander';
import { connect } from '../../core/pg/connection.ts';
import { fromDatabaseError } from '../../core/pg/database-error.ts';
import { migrate } from '../../core/store/schema/migrate.ts';
import { migrateDocument } from '../../documents/set-up.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export function registerMigrate(program: Command, run: Run): Command {
  return program
    .command('migrate')
    .description('bring the schema of the store up to date (init does it too)')
    .addHelpText('after', '\nExample:\n  pgtimewarp migrate --store postgres://app@db.example/history')
    .action(() =>
      run(async ({ settings, out }) => {
        const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
        try {
          const result = await migrate(store).catch((error: unknown) => {
            throw fromDatabaseError(error, 'store');
          });
          out.result(migrateDocument(result), () =>
            result.applied.length === 0
              ? `The store is up to date (version ${result.to})${result.functions ? '; its functions were replaced by those of this version' : ''}.`
              : `The store is now at version ${result.to} (was ${result.from}).`,
          );
          return EXIT.done;
        } finally {
          await store.end().catch(() => {});
        }
      }),
    );
}
