/** `init`: creates a node. */
import { type Command, Option } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { init } from '../../core/setup/init.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { initDocument } from '../../documents/set-up.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

interface InitFlags {
  readonly plugin?: Plugin;
  readonly slot?: string;
  readonly contextPrefix?: string[];
  readonly failover: boolean;
}

export function registerInit(program: Command, run: Run): Command {
  return program
    .command('init')
    .description('start to observe a database: schema in the store, slot (and publication) on the source')
    .addOption(
      new Option('--plugin <name>', 'output plugin (default: "wal2json")').choices(['wal2json', 'pgoutput']),
    )
    .option('--slot <name>', 'name of the replication slot (default: pgtimewarp_<node>)')
    .option(
      '--no-failover',
      'make the slot without failover: standbys that synchronise slots do not get it (PostgreSQL 17 and later)',
    )
    .option(
      '--context-prefix <prefix>',
      'also read messages with this prefix as contexts, besides pgtimewarp and _bemi; repeatable',
      (prefix: string, before: string[] = []) => [...before, prefix],
    )
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp init --source postgres://app@db.example/shop \\\n                  --store postgres://app@db.example/history',
    )
    .action((flags: InitFlags) =>
      run(async ({ settings, out, signal }) => {
        const result = await init({
          ...settings.databases,
          plugin: flags.plugin ?? null,
          slotName: slotName(flags.slot),
          ...(flags.contextPrefix === undefined ? {} : { contextPrefixes: flags.contextPrefix }),
          slotFailover: flags.failover,
          version: program.version() ?? 'unknown',
          signal,
          onProgress: (message) => out.note(`init: ${message}`),
        });
        const { node, created } = result;
        out.result(initDocument(result), () =>
          created
            ? `Node "${node.node}" observes database ${node.database} through slot ${node.slotName} (${node.plugin}).\n` +
              'Next: pgtimewarp track TABLE'
            : `Node "${node.node}" is set up already: slot ${node.slotName} (${node.plugin}). ${flags.contextPrefix === undefined ? 'Nothing changed.' : 'From the next run on, messages with these prefixes are contexts.'}`,
        );
        return EXIT.done;
      }),
    );
}

/** PostgreSQL manual, "Querying and Manipulating Replication Slots": the characters that a slot's name can have. */
function slotName(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (/^[a-z0-9_]{1,63}$/.test(text)) return text;
  throw new TimewarpError('BAD_FLAGS', `--slot ${text}: not a slot name.`, {
    remedy: 'Use 1 to 63 lower-case letters, digits and underscores.',
  });
}
