/**
 * Confirmation of commands that cannot be undone. They ask on a terminal and need --yes elsewhere; with --dry-run they only
 * print their plan. A plan that loses nothing needs no confirmation.
 */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { Plan } from '../core/plan.ts';
import { planDocument } from '../documents/plan.ts';
import type { CommandContext } from './command.ts';

export interface ConfirmFlags {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** The options that {@link mayGoOn} reads. */
export function confirmOptions(command: Command): Command {
  return dryRunOption(command.option('--yes', 'do not ask'));
}

export function dryRunOption(command: Command): Command {
  return command.option('--dry-run', 'only print what would be done');
}

/**
 * Whether to carry out the plan. With --dry-run it prints the plan and returns false. Throws NOT_CONFIRMED when the user declines,
 * or when there is no terminal to ask on.
 */
export async function mayGoOn(
  context: CommandContext,
  flags: ConfirmFlags,
  readPlan: () => Promise<Plan>,
): Promise<boolean> {
  if (flags.yes && !flags.dryRun) return true;
  const plan = await readPlan();
  if (flags.dryRun) {
    tellPlan(context, plan);
    return false;
  }
  if (plan.losesNothing) return true;
  const what = plan.would.join(' ');
  if (process.stdin.isTTY !== true || !context.out.interactive)
    throw new TimewarpError('NOT_CONFIRMED', `Not confirmed, so nothing was done. It would: ${what}`);
  if (!(await ask(context, what)))
    throw new TimewarpError('NOT_CONFIRMED', 'You did not agree, so nothing was done.');
  return true;
}

/** Prints the plan as the result of --dry-run. */
export function tellPlan({ out }: CommandContext, plan: Plan): void {
  out.result(planDocument(plan), () => plan.would.join('\n'));
}

async function ask({ out, signal }: CommandContext, what: string): Promise<boolean> {
  out.note(what);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve(''))); // Ctrl-D
  try {
    const answer = await Promise.race([lines.question('Go on? [y/N] ', { signal }), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
