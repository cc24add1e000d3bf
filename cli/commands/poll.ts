/** `poll`: makes one run, or with --watch repeated runs. */
import { type Command, Option } from 'commander';
import { type PollResult, poll } from '../../core/poll.ts';
import { formatBytes } from '../../core/types/byte-size.ts';
import { formatLsn } from '../../core/types/lsn.ts';
import { runDocument, runsDocument } from '../../documents/run.ts';
import { positiveInteger } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode, exitCodeOfRun } from '../exit-codes.ts';
import { pause } from '../interrupt.ts';
import { catchUpProgress } from '../progress.ts';
import { count } from '../render/count.ts';
import { toError } from '../to-error.ts';

interface PollFlags {
  readonly watch?: boolean;
  readonly maxChanges?: number;
  readonly maxSeconds?: number;
}

/** The pause after a run of --watch that has caught up. */
const PAUSE_MS = 1_000;
/** The pause after a run that failed for a reason that may go away. */
const RETRY_MS = 5_000;

export function registerPoll(program: Command, run: Run): Command {
  return program
    .command('poll')
    .description('read the changes that the source has committed since the last run')
    .option('--watch', 'repeat until Ctrl-C')
    .addOption(
      new Option('--max-changes <n>', 'stop at the first commit after this number of rows').argParser(
        positiveInteger,
      ),
    )
    .addOption(
      new Option('--max-seconds <n>', 'end before this number of seconds has passed').argParser(
        positiveInteger,
      ),
    )
    .addHelpText('after', '\nExample:\n  pgtimewarp poll --max-seconds 50')
    .action((flags: PollFlags) =>
      flags.watch
        ? run((context) => watch(context, flags), 'when stopped')
        : run((context) => once(context, flags)),
    );
}

async function once(context: CommandContext, flags: PollFlags): Promise<ExitCode> {
  const result = await pollOnce(context, flags);
  context.out.result(runDocument(result), () => describe(result));
  return exitCodeOfRun(result.outcome);
}

/** Repeats runs until it is interrupted or the node cannot continue. At the end it prints one JSON document, the sum of all runs. */
async function watch(context: CommandContext, flags: PollFlags): Promise<ExitCode> {
  const { out, signal } = context;
  let last: PollResult | null = null;
  let [runs, transactions, changes] = [0, 0, 0];
  let exitCode: ExitCode = EXIT.interrupted;
  while (!signal.aborted) {
    let waitMs = PAUSE_MS;
    try {
      last = await pollOnce(context, flags);
      runs += 1;
      transactions += last.transactions;
      changes += last.changes;
      if (last.transactions > 0 || last.outcome !== 'done') out.note(describe(last));
      exitCode = exitCodeOfRun(last.outcome);
      if (exitCode !== EXIT.done) break;
      if (last.outcome === 'deadline' || !last.caughtUp) waitMs = 0;
      if (last.outcome === 'busy') waitMs = PAUSE_MS;
    } catch (thrown) {
      const error = toError(thrown);
      if (signal.aborted) break;
      if (error.action !== 'retry') throw error;
      out.note(`${error.message} Trying again in ${RETRY_MS / 1000} s.`);
      waitMs = RETRY_MS;
    }
    await pause(waitMs, signal);
  }
  const document = runsDocument(context.settings.node, last, { runs, transactions, changes });
  out.result(document, () => `${runs} runs, ${changes} changes in ${transactions} transactions.`);
  return exitCode;
}

async function pollOnce({ settings, out, signal }: CommandContext, flags: PollFlags): Promise<PollResult> {
  using progress = catchUpProgress(out);
  return await poll({
    ...settings.databases,
    ...(flags.maxChanges === undefined ? {} : { maxChanges: flags.maxChanges }),
    ...(flags.maxSeconds === undefined ? {} : { maxSeconds: flags.maxSeconds }),
    signal,
    onProgress: (step) => progress.show(step),
  });
}

function describe(result: PollResult): string {
  const counts = `${count(result.changes, 'change')} in ${count(result.transactions, 'transaction')}, to ${formatLsn(result.appliedLsn)}`;
  switch (result.outcome) {
    case 'done':
      return `${counts}${result.caughtUp ? '' : `; ${formatBytes(result.lagBytes)} of WAL to go`}.`;
    case 'busy':
      return 'Another run is active; nothing to do.';
    case 'deadline':
      return `${counts}; time is up, ${formatBytes(result.lagBytes)} of WAL to go.`;
    case 'blocked':
      return `Blocked: ${result.reason ?? 'a transaction cannot be applied'}. See pgtimewarp doctor.`;
    case 'gap':
      return `Changes were lost: ${result.reason ?? 'see pgtimewarp doctor'}. Repair the node: pgtimewarp rebaseline --node.`;
  }
}
