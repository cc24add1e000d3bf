import { expect, test } from 'vitest';
import { runCli } from '../../support/run-cli.ts';

test('the demo runs on its own servers and shows its row as it was before the mistake', async () => {
  const result = await runCli(['demo', '--json'], { timeoutMs: 60_000 });
  expect(result.code, result.stderr).toBe(0);
  expect(result.json()).toMatchObject({
    changes: 9,
    answers: [
      { at: 'now', status: 'found' },
      { status: 'found', final: true },
    ],
    kept: null,
  });
  expect(result.stderr).toContain('1249.00 → 0.00');
});
