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

/** A late collection lets it grow for a moment, but rarely and not permanently. */
async function usually(how: 'bounded' | 'not bounded'): Promise<number> {
  const tries = [await youngMib(how), await youngMib(how), await youngMib(how)];
  return tries.toSorted((left, right) => left - right)[1]!;
}

test('stays small with the setting, and grows without it', async () => {
  expect(await usually('bounded')).toBeLessThan(16); // both halves, during a collection
  expect(await usually('not bounded')).toBeGreaterThan(16);
});
