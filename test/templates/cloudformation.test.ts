/**
 * The templates of the stacks and of `Timewarp` in an app of its own, as cfn-lint and checkov see them. What they find is in the lists
 * below with a reason; a finding that is not, and an entry that nothing needs any more, fail.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { beforeAll, expect, test } from 'vitest';
import { runProgram } from '../../cli/servers/run-program.ts';
import { Timewarp, TimewarpSource, TimewarpStore } from '../../infra/cdk.ts';
import example from '../../infra/config/example.ts';
import { FUNCTIONS_CONTEXT } from '../../infra/constructs/package-files.ts';
import { placeholderFunctions, synthesize } from '../support/synthesize.ts';
import { installLinter } from './install.ts';

const ACCEPTED_BY_CFN_LINT: Readonly<Record<string, string>> = {
  W3005: 'The CDK writes each dependency that a construct names, also where a reference makes one.',
};

const ACCEPTED_BY_CHECKOV: Readonly<Record<string, string>> = {
  CKV_AWS_111:
    'The network interfaces of a function in a VPC: these actions accept no resources, and a second statement denies them to the code.',
  CKV_AWS_115: 'New accounts cannot reserve concurrency. The store lets only one run of a node write.',
  CKV_AWS_116: 'The next run of the schedule is the retry. A queue would have nobody to read it.',
  CKV_AWS_118: 'Enhanced monitoring needs a role more. The alarms watch runs, WAL and answers.',
  CKV_AWS_149: 'The logins of the store stay in their account: the key of Secrets Manager encrypts them.',
  CKV_AWS_158: 'Logs have no rows and no secrets; CloudWatch encrypts them with its own key.',
  CKV_AWS_173: 'The variables of the functions name secrets and contain none.',
};

let templates: string[];

beforeAll(() => {
  const { assembly } = synthesize(example);
  const outdir = mkdtempSync(join(tmpdir(), 'pgtimewarp-synth-'));
  const app = new App({ outdir, context: { [FUNCTIONS_CONTEXT]: placeholderFunctions() } });
  const stack = new Stack(app, 'Alone');
  const vpc = Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: example.vpc.vpcId,
    availabilityZones: example.vpc.availabilityZones,
    privateSubnetIds: example.vpc.privateSubnetIds,
  });
  const history = new Timewarp(stack, 'History', { vpc, store: TimewarpStore.serverless() });
  const arn = example.nodes[0]!.sourceSecretArn!;
  const source = TimewarpSource.fromSecret(Secret.fromSecretCompleteArn(stack, 'Source', arn));
  history.observe('shop', source, { tables: ['public.orders'], retention: Duration.days(90) });
  templates = [...assembly.stacks, ...app.synth().stacks].map((each) => each.templateFullPath);
});

test('cfn-lint', async () => {
  const { output } = await runProgram(await installLinter('cfn-lint'), [
    '--format',
    'parseable',
    ...templates,
  ]);
  const found = [...output.matchAll(/^\S+?:\d+:\d+:\d+:\d+:([EWI]\d+):/gm)].map(([, code]) => code!);
  expect([...new Set(found)].toSorted(), output).toEqual(Object.keys(ACCEPTED_BY_CFN_LINT));
});

test('checkov', async () => {
  const files = templates.flatMap((path) => ['--file', path]);
  const args = ['--framework', 'cloudformation', '--compact', '--quiet', '--output', 'json', ...files];
  const { output } = await runProgram(await installLinter('checkov'), args);
  const { results, summary } = JSON.parse(output.slice(output.indexOf('{'))) as {
    results: { failed_checks: { check_id: string }[] };
    summary: { passed: number; parsing_errors: number };
  };
  expect(summary.parsing_errors).toBe(0);
  expect(summary.passed).toBeGreaterThan(50);
  const found = results.failed_checks.map(({ check_id }) => check_id);
  expect([...new Set(found)].toSorted()).toEqual(Object.keys(ACCEPTED_BY_CHECKOV));
});
