/** The CronJob by the schemas of Kubernetes, the workflows by actionlint. */
import { globSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runProgram } from '../../cli/servers/run-program.ts';
import { describeNeeding } from '../support/needs.ts';
import { installLinter } from './install.ts';

test('Kubernetes knows every field of the CronJob', async () => {
  const args = ['--strict', ...globSync('deploy/kubernetes/*.yaml')];
  const { code, output } = await runProgram(await installLinter('kubernetes-validate'), args);
  expect(code, output).toBe(0);
  expect(output).toContain('passed for resource cronjob/pgtimewarp-poll');
});

const actionlint = await runProgram('actionlint', ['-version']).catch(() => ({ code: 1 }));

describeNeeding(
  {
    what: 'actionlint',
    met: actionlint.code === 0,
    remedy: 'go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12, on the PATH',
    isForeign: true,
  },
  'the workflows',
  () => {
    test('actionlint finds nothing', async () => {
      const { code, output } = await runProgram('actionlint', globSync('.github/workflows/*.yml'));
      expect({ code, output }).toEqual({ code: 0, output: '' });
    });
  },
);
