/** `doctor`: reports problems and how to fix them. */
import { type Command, Option } from 'commander';
import { type Diagnosis, groupByRemedy } from '../../core/doctor/check.ts';
import { diagnose } from '../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../core/doctor/facts.ts';
import { diagnosisDocument } from '../../documents/checks.ts';
import { duration, durationSeconds } from '../arguments.ts';
import type { Run } from '../command.ts';
import { exitCodeOfChecks } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { checkLines } from '../render/checks.ts';

export function registerDoctor(program: Command, run: Run): Command {
  return program
    .command('doctor')
    .description('check source, slot, store and tables; report problems and how to fix them')
    .addOption(
      new Option(
        '--every <duration>',
        'interval between scheduled runs, N(s|m|h|d); later runs count as late',
      )
        .argParser(duration)
        .default('1m'),
    )
    .addHelpText('after', '\nExample:\n  pgtimewarp doctor --json')
    .action((flags: { every: string }) =>
      run(async ({ settings, out }) => {
        const diagnosis = diagnose(await gatherFacts(settings.databases, durationSeconds(flags.every)));
        out.result(diagnosisDocument(diagnosis), () => describe(diagnosis, out));
        return exitCodeOfChecks(diagnosis.status);
      }),
    );
}

/** Problems first, each remedy once. Checks that pass are only counted. */
export function describe({ checks }: Diagnosis, out: Output): string {
  const margin = { left: '', width: 'FAIL  '.length };
  const problems = groupByRemedy(checks).flatMap((group) => checkLines(group, out, margin));
  const passed = checks.filter((check) => check.status === 'ok');
  return [
    ...problems,
    ...(out.verbose ? checkLines({ checks: passed, remedy: null }, out, margin) : []),
    `${passed.length} ${passed.length === 1 ? 'check' : 'checks'} passed.`,
  ].join('\n');
}
