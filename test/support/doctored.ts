/** Doctor as tests call it: the checks that do not pass, and the result of pasting a remedy. */
import type pg from 'pg';
import { expect } from 'vitest';
import type { Check } from '../../core/doctor/check.ts';
import { diagnose } from '../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../core/doctor/facts.ts';
import { type CommandDatabases, runCommand } from './command.ts';
import { remedySteps } from './remedy-steps.ts';
import { connectForTest } from './test-client.ts';

/** The checks that do not pass, worst first. */
export async function troubles(databases: CommandDatabases): Promise<Check[]> {
  const { checks } = diagnose(await gatherFacts(databases));
  return checks.filter((check) => check.status !== 'ok');
}

/** In the form `warn lag`, each once. */
export function verdicts(checks: readonly Check[]): string[] {
  return [...new Set(checks.map(({ status, code }) => `${status} ${code}`))];
}

/** Runs the remedy of the check with this code: SQL in one session for each side, commands in this process. */
export async function pasteRemedy(
  databases: CommandDatabases,
  checks: readonly Check[],
  code: string,
  alternative = 0,
): Promise<void> {
  const remedy = checks.find((check) => check.code === code)!.remedy!;
  const steps = remedySteps(remedy, alternative);
  expect(steps, remedy).not.toEqual([]);
  const sessions = new Map<string, pg.Client>();
  try {
    for (const step of steps) {
      if (step.kind === 'command') {
        await runCommand(agreed(step.args), databases);
        continue;
      }
      const url = step.side === 'source' ? databases.sourceUrl : databases.storeUrl;
      const session = sessions.get(url) ?? (await connectForTest(url));
      sessions.set(url, session);
      await session.query(step.text);
    }
  } finally {
    for (const session of sessions.values()) await session.end();
  }
}

/** Answers yes to commands that ask on a terminal. */
function agreed(args: readonly string[]): readonly string[] {
  const asks = args[0] === 'release-slot' || (args[0] === 'rebaseline' && args.includes('--node'));
  return asks ? [...args, '--yes'] : args;
}

/** A remedy may reveal a loss, which is mended in the same way; reading a table again takes some runs. */
export async function mendTheRest(databases: CommandDatabases): Promise<void> {
  for (let time = 0; time < 4; time++) {
    const next = await troubles(databases);
    if (next.length > 0) await pasteRemedy(databases, next, next[0]!.code);
  }
  expect(await troubles(databases)).toEqual([]);
}
