/** `events`: lists the events of a node, newest first. */
import { type Command, Option } from 'commander';
import { readHealthEvents } from '../../core/doctor/events.ts';
import { connect } from '../../core/pg/connection.ts';
import { requireSchema } from '../../core/store/schema/migrate.ts';
import { eventsDocument } from '../../documents/events.ts';
import { positiveInteger } from '../arguments.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { renderEvents } from '../render/events.ts';

export function registerEvents(program: Command, run: Run): Command {
  return program
    .command('events')
    .description('list events of the node (gaps, blocks, repairs), newest first')
    .addOption(new Option('--limit <n>', 'number of events at most').argParser(positiveInteger).default(50))
    .addHelpText('after', '\nExample:\n  pgtimewarp events --limit 10')
    .action((flags: { limit: number }) =>
      run(async ({ settings, out }) => {
        const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
        try {
          await requireSchema(store);
          const events = await readHealthEvents(store, { node: settings.node, limit: flags.limit });
          out.result(eventsDocument(settings.node, events), () => renderEvents(events, out));
          return EXIT.done;
        } finally {
          await store.end().catch(() => {});
        }
      }),
    );
}
