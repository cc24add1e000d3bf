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
    undo: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
    kept: null,
  });
  // the three questions of an incident, each with what it finds
  const { mistake } = result.json() as { mistake: string };
  expect(result.stderr).toMatch(
    /\$ pgtimewarp transactions --from -15m\n[\s\S]*orders: 4 updated .*"user":"sam"/,
  );
  expect(result.stderr).toMatch(
    new RegExp(`\\$ pgtimewarp transaction ${mistake}\\n[\\s\\S]*id=2 +total 1249.00 → 0.00`),
  );
  expect(result.stderr).toMatch(
    /\$ pgtimewarp changes orders --from -15m --net\n[\s\S]*id=2 +status "new" → /,
  );
  // the mistake is undone, the later correction is not
  expect(result.stderr).toMatch(/--apply --skip-conflicts\n[\s\S]*Applied\. To undo it/);
  expect(result.stderr).toMatch(/orders now:\n +1 +49\.90\n +2 +1249\.00\n +4 +17\.00\n +5 +120\.00\n/);
});
