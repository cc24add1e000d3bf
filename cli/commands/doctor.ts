/** `doctor`: says what is wrong and what to do. */
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
    .description('check source, slot, store and tables; says what to do')
    .addOption(
      new Option('--every <duration>', 'how often runs come, N(s|m|h|d): decides what is late')
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

/** What is wrong first, what to do about it once; what is right only as a number. */
export function describe({ checks }: Diagnosis, out: Output): string {
  const margin = { left: '', width: 'FAIL  '.length };
  const wrong = groupByRemedy(checks).flatMap((finding) =>
    checkLines(finding.checks, finding.remedy, out, margin),
  );
  const right = checks.filter((check) => check.status === 'ok');
  return [
    ...wrong,
    ...(out.verbose ? checkLines(right, null, out, margin) : []),
    `${right.length} ${right.length === 1 ? 'check' : 'checks'} passed.`,
  ].join('\n');
}
