/** A restore by a plan from the store alone, whose script psql runs: the outcome in the form of `restore --apply --json`. */
import { expect } from 'vitest';
import { runCommand } from './command.ts';
import { runByPsql } from './restore-plans.ts';
import type { TrackedNode } from './tracked-node.ts';

interface Conflict {
  readonly table: string;
  readonly pk: Record<string, string>;
  readonly reason: string;
}

export interface ScriptAnswer {
  readonly id: string;
  readonly applied: boolean;
  readonly of: readonly string[];
  readonly lsn: string | null;
  readonly conflicts: readonly Conflict[];
  readonly refused: readonly { readonly reason: string }[];
}

export interface ScriptOutcome {
  readonly code: number;
  readonly answer: ScriptAnswer | null;
  /** What the script said. */
  readonly refused: string | null;
}

/** The history must be complete: then it shows exactly the conflicts that the script finds. */
export async function restoreByScript(
  node: TrackedNode,
  args: readonly string[],
  flags: readonly string[],
): Promise<ScriptOutcome> {
  const { stdout } = await runCommand(['restore', ...args, '--json', ...flags], { ...node, sourceUrl: '' });
  const plan = JSON.parse(stdout) as ScriptAnswer & { sql: string | null };
  const what = `restore ${[...args, ...flags].join(' ')}, by its script`;
  if (plan.sql === null) return { code: plan.refused.length === 0 ? 0 : 1, answer: plan, refused: null };
  const failure = await runByPsql(plan.sql, node.sourceUrl).then(
    () => null,
    (error: { stderr: string }) => error.stderr,
  );
  if (failure === null) {
    expect(plan.conflicts, what).toEqual([]);
    await node.catchUp();
    const found = await runCommand(
      ['transactions', '--by', `pgtimewarp.restore.id=${plan.id}`, '--json'],
      node,
    );
    const { transactions } = JSON.parse(found.stdout) as { transactions: { lsn: string }[] };
    return { code: 0, answer: { ...plan, applied: true, lsn: transactions[0]!.lsn }, refused: null };
  }
  const [, found] = /ERROR: {2}(\d+) rows are no longer what was left there/.exec(failure) ?? [];
  if (found !== undefined) {
    expect(`${plan.conflicts.length}`, `${what}: ${failure}`).toBe(found);
    for (const { table, reason } of plan.conflicts.slice(0, 20))
      expect(failure, what).toMatch(new RegExp(`${table}"? .*: ${reason}`));
    return { code: 1, answer: plan, refused: null };
  }
  const [, message = failure] = /ERROR: {2}(.*)/.exec(failure) ?? [];
  return {
    code: 1,
    answer: null,
    refused: `${/duplicate key/.test(message) ? 'unique_conflict: ' : ''}${message}`,
  };
}
