/**
 * Every finding of cdk-nag (AwsSolutions, Serverless) and of the template validator is accepted with a reason. The templates
 * are also compared with a file, so that reviewers see changes: `npx vitest run --project infra -u` writes it.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { expect, test } from 'vitest';
import example from '../../infra/config/example.ts';
import { checkRules } from '../../infra/nag.ts';
import { secretArn } from '../support/lambda-databases.ts';
import { cdkContext, type Synthesized, synthesize } from '../support/synthesize.ts';

const CONFIGURATIONS: readonly (readonly [name: string, configuration: object])[] = [
  ['the example', example],
  [
    'with every option',
    {
      ...example,
      nodes: [
        {
          ...example.nodes[0],
          iamUserArn: 'arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABC123/timewarp',
        },
      ],
      alarms: { emails: ['a@example.com'] },
      archive: {
        bucket: 'my-history',
        kmsKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555',
      },
      api: {
        authorization: {
          kind: 'jwt',
          issuer: 'https://issuer.example',
          audience: ['history'],
          tablesClaim: 'tables',
        },
        concurrency: 20,
        page: { clientId: 'page' },
      },
      vpc: { ...example.vpc, endpointSecurityGroupIds: ['sg-0123456789abcdef0'] },
      functions: { ...example.functions, reservedConcurrency: 2, logDays: { default: 7, requests: 90 } },
      store: {
        kind: 'existing',
        ownerSecretArn: secretArn('owner'),
        writerSecretArn: secretArn('writer'),
        readerSecretArn: secretArn('reader'),
      },
    },
  ],
  [
    'without an API and without rotation',
    {
      ...example,
      api: null,
      store: { kind: 'new', rotationDays: null, engineVersion: '16.13', maxConnections: 300 },
      vpc: { ...example.vpc, endpointSecurityGroupIds: ['sg-0123456789abcdef0'] },
    },
  ],
];

test.each(CONFIGURATIONS)(
  '%s has no findings',
  (_, configuration) => {
    const { assembly } = synthesize(configuration, { rules: true });
    const text = readFileSync(join(assembly.directory, 'validation-report.json'), 'utf8');
    const { pluginReports } = JSON.parse(text) as {
      pluginReports: { pluginName: string; violations: { ruleName: string }[] }[];
    };
    const names = pluginReports.map(({ pluginName }) => pluginName);
    expect(names).toEqual(expect.arrayContaining(['AwsSolutions', 'Serverless']));
    expect(pluginReports.flatMap(({ violations }) => violations)).toEqual([]);
  },
  300_000,
); // the packs are large: their first use takes seconds, more on a busy machine

test('a finding fails the synth', () => {
  const app = new App({ outdir: mkdtempSync(join(tmpdir(), 'pgtimewarp-synth-')), context: cdkContext() });
  checkRules(app);
  new Bucket(new Stack(app, 'Wrong'), 'Open');
  expect(() => app.synth()).toThrow(/AwsSolutions-S1'/);
});

test('the templates of the example match the committed file', async () => {
  const templates = normalised(synthesize(example));
  await expect(`${JSON.stringify(templates, null, 1)}\n`).toMatchFileSnapshot('templates.snap.json');
});

/** Removes what changes with the code and not with the infrastructure: hashes of assets, versions, the bootstrap check. */
function normalised({ assembly }: Synthesized): Record<string, unknown> {
  return Object.fromEntries(
    assembly.stacks.map((stack) => {
      const { Resources, Outputs } = stack.template as Record<string, unknown>;
      const text = JSON.stringify({ Resources, Outputs }, (key, value: unknown) =>
        ['Metadata', 'Migrations', 'Version', 'PGTIMEWARP_VERSION'].includes(key) && typeof value !== 'object'
          ? 'of the code'
          : key === 'Metadata'
            ? undefined
            : value,
      );
      const stable = text.replace(/[0-9a-f]{64}/g, 'HASH');
      return [stack.stackName, JSON.parse(stable) as unknown];
    }),
  );
}
