/** The young generation of a process that limits its heap, under much garbage. */
import { expect, test } from 'vitest';
import { runTool } from '../support/run-tool.ts';

const GARBAGE = `
  import v8 from 'node:v8';
  const young = () => v8.getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size / 2 ** 20;
  if (process.argv[1] === 'bounded') (await import('./core/run/heap.ts')).boundHeap();
  let most = 0;
  const kept = [];
  for (let i = 0; i < 2_000_000; i++) {
    const row = { i, text: 'x' + i, list: [i] };
    if (i % 20 === 0) kept.push(row);
    if (kept.length > 20_000) kept.splice(0, 10_000);
    if (i % 1_000 === 0) most = Math.max(most, young());
  }
  console.log(most);`;

async function youngMib(how: 'bounded' | 'not bounded'): Promise<number> {
  const args = ['--no-warnings', '--input-type=module', '-e', GARBAGE, how];
  const { code, stdout, stderr } = await runTool(process.execPath, args, { cwd: '.', timeoutMs: 60_000 });
  expect(code, stderr).toBe(0);
  return Number.parseFloat(stdout);
}

/**
 * The least of five tries. On a busy machine a late collection lets a bounded one grow for a moment, in about one try of four; without
 * the bound every try grows to the end.
 */
async function least(how: 'bounded' | 'not bounded'): Promise<number> {
  const tries: number[] = [];
  for (let count = 0; count < 5; count++) tries.push(await youngMib(how));
  return Math.min(...tries);
}

test('stays small with the setting, and grows without it', async () => {
  expect(await least('bounded')).toBeLessThan(16); // both halves, during a collection
  expect(await least('not bounded')).toBeGreaterThan(16);
});
