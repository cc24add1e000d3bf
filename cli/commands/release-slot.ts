/** `release-slot`: drops the slot, so that the source can remove the WAL that it keeps for the node. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { connect } from '../../core/pg/connection.ts';
import { planRelease } from '../../core/plan.ts';
import { releaseSlot } from '../../core/release-slot.ts';
import { requireNode, writeSlotSettings } from '../../core/store/node/nodes.ts';
import { requireSchema } from '../../core/store/schema/migrate.ts';
import { BYTE_SIZE_FORM, formatBytes, tryParseByteSize } from '../../core/types/byte-size.ts';
import { releasedSlotDocument, slotSettingsDocument } from '../../documents/slot.ts';
import type { CommandContext, Run } from '../command.ts';
import { type ConfirmFlags, confirmOptions, mayGoOn } from '../confirm.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';

interface ReleaseFlags extends ConfirmFlags {
  readonly automatic?: 'on' | 'off';
  readonly budget?: bigint;
}

export function registerReleaseSlot(program: Command, run: Run): Command {
  const command = program
    .command('release-slot')
    .description('drop the slot so that its WAL does not fill the disk of the source; records the gap')
    .addOption(
      new Option(
        '--automatic <on|off>',
        'only change the setting: whether runs drop the slot when the budget is used up',
      ).choices(['on', 'off']),
    )
    .addOption(
      new Option(
        '--budget <size>',
        'only change the setting: how much WAL the slot may keep, such as 20GB',
      ).argParser(size),
    );
  return confirmOptions(command)
    .addHelpText('after', '\nExample:\n  pgtimewarp release-slot --budget 20GB --automatic on')
    .action((flags: ReleaseFlags) =>
      run(async (context) => {
        if (flags.automatic !== undefined || flags.budget !== undefined) return configure(context, flags);
        const { settings, out } = context;
        if (!(await mayGoOn(context, flags, () => planRelease(settings.databases)))) return EXIT.done;
        const result = await releaseSlot(settings.databases);
        const document = releasedSlotDocument(result);
        out.result(document, () =>
          result.dropped
            ? `The slot ${result.slot} is dropped; ${formatBytes(document.kept_bytes)} of WAL can go.\n` +
              `Changes are lost from now on. When the source has room again: pgtimewarp rebaseline --node ${result.node}`
            : `There was no slot ${result.slot}.`,
        );
        return EXIT.done;
      }),
    );
}

async function configure({ settings, out }: CommandContext, flags: ReleaseFlags): Promise<ExitCode> {
  const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
  try {
    await requireSchema(store);
    await requireNode(store, settings.node);
    await writeSlotSettings(store, settings.node, {
      budgetBytes: flags.budget,
      automatic: flags.automatic === undefined ? undefined : flags.automatic === 'on',
    });
    const node = await requireNode(store, settings.node);
    const document = slotSettingsDocument(node);
    const budget = document.slot_budget_bytes;
    out.result(document, () =>
      [
        `Budget of the slot: ${budget === null ? 'the default' : formatBytes(budget)}.`,
        node.releasesSlot
          ? 'A run that finds it used up drops the slot and records the gap.'
          : 'The slot is dropped by hand only.',
      ].join('\n'),
    );
    return EXIT.done;
  } finally {
    await store.end().catch(() => {});
  }
}

function size(text: string): bigint {
  const bytes = tryParseByteSize(text);
  if (bytes === null) throw new InvalidArgumentError(`Write ${BYTE_SIZE_FORM}.`);
  return bytes;
}
