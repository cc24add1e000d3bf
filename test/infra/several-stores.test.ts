/** A deployment with several stores: each has functions, schedules and alarms of its own, and the API of the deployment asks all. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import example from '../../infra/config/example.ts';
import { parseConfiguration } from '../../infra/config/schema.ts';
import { secretArn } from '../support/lambda-databases.ts';
import { synthesize } from '../support/synthesize.ts';

type Resources = Readonly<Record<string, { Properties: Record<string, unknown> }>>;

const [shop] = example.nodes;
const node = (name: string, store: string | null): object => ({
  ...{ node: name, store, sourceSecretArn: secretArn(name), plugin: 'pgoutput' },
  tables: [{ name: 'public.orders' }],
});
const existing = {
  kind: 'existing',
  ownerSecretArn: secretArn('us-owner'),
  writerSecretArn: secretArn('us-writer'),
  readerSecretArn: secretArn('us-reader'),
};
const several = (more: object = {}): object => ({
  ...example,
  stores: { eu: { kind: 'new' }, us: existing },
  nodes: [shop, node('berlin', 'eu'), node('boston', 'us')],
  ...more,
});

describe('a deployment with several stores', () => {
  const { stacks, assembly } = synthesize(several(), { rules: true });

  test('has the stacks of a deployment for each store, and one API', () => {
    const of = (name: string): string[] =>
      ['store', 'app', 'schedules', 'monitoring'].map((part) => `${name}-${part}`);
    expect(assembly.stacks.map(({ stackName }) => stackName).toSorted()).toEqual(
      ['pgtimewarp', 'pgtimewarp-eu', 'pgtimewarp-us'].flatMap(of).concat('pgtimewarp-http-api').toSorted(),
    );
    const report = JSON.parse(readFileSync(join(assembly.directory, 'validation-report.json'), 'utf8')) as {
      pluginReports: { violations: object[] }[];
    };
    expect(report.pluginReports.flatMap(({ violations }) => violations)).toEqual([]);
  });

  test('the functions of a store know its nodes alone, and the secrets of that store', () => {
    for (const [own, others, store] of [
      ['shop', /berlin|boston/, stacks],
      ['berlin', /shop-database|boston/, stacks.others.eu!],
      ['boston', /shop-database|berlin/, stacks.others.us!],
    ] as const) {
      const app = Template.fromStack(store.app);
      const functions = Object.entries(app.findResources('AWS::Lambda::Function') as Resources).filter(
        ([id]) => !id.startsWith('Api'),
      );
      expect(functions).toHaveLength(4);
      for (const [id, { Properties }] of functions) {
        const { Variables } = Properties.Environment as { Variables: Record<string, string> };
        if (!id.startsWith('Migrate')) expect(Variables.PGTIMEWARP_SOURCE_SECRET_ARNS, id).toContain(own);
        expect(JSON.stringify(Variables), id).not.toMatch(others);
      }
      const [databases] = Object.values(
        app.findResources('AWS::CloudFormation::CustomResource') as Resources,
      );
      expect(JSON.parse(databases!.Properties.Nodes as string)).toMatchObject([{ node: own }]);
      const policies = Object.entries(app.findResources('AWS::IAM::Policy')).filter(
        ([id]) => !id.startsWith('Api'),
      );
      expect(JSON.stringify(policies)).not.toMatch(others);
    }
  });

  test('the API reads the secrets of the readers, reaches the new store, and is deployed last', () => {
    const app = Template.fromStack(stacks.app);
    const named = (type: string): [string, Resources[string]][] =>
      Object.entries(app.findResources(type) as Resources).filter(([id]) => id.startsWith('Api'));
    const [[, api]] = named('AWS::Lambda::Function') as [[string, Resources[string]]];
    const { Variables } = api.Properties.Environment as { Variables: Record<string, unknown> };
    const others = JSON.stringify(Variables.PGTIMEWARP_OTHER_STORE_SECRET_ARNS);
    expect(others).toMatch(/pgtimewarp-eu-store:.*ReaderLogin/);
    expect(others).toContain(existing.readerSecretArn);
    const policies = JSON.stringify(named('AWS::IAM::Policy'));
    expect(policies).toMatch(/pgtimewarp-store:[^"]*ReaderLogin/);
    expect(policies).toMatch(/pgtimewarp-eu-store:[^"]*ReaderLogin/);
    expect(policies).toContain(existing.readerSecretArn);
    expect(policies).not.toMatch(/WriterLogin|us-writer|us-owner/);
    Template.fromStack(stacks.others.eu!.store).hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      Description: 'the HTTP API of pgtimewarp',
    });
    expect(stacks.app.dependencies).toEqual(
      expect.arrayContaining([stacks.others.eu!.app, stacks.others.us!.app]),
    );
    for (const other of Object.values(stacks.others)) expect(other.httpApi).toBeNull();
  });
});

test('a store alone has the templates that it had', () => {
  const { assembly } = synthesize({ ...example, stores: {} });
  expect(assembly.stacks).toHaveLength(5);
  expect(JSON.stringify(assembly.stacks.map(({ template }) => template as object))).not.toContain(
    'OTHER_STORE',
  );
});

test.each([
  [
    'of a node that is none',
    several({ nodes: [node('a', 'asia')] }),
    /nodes\[0\]\.store: must be one of stores/,
  ],
  ['without a node', several({ nodes: [shop, node('a', 'eu')] }), /stores\.us: must have a node/],
  [
    'the first without a node',
    several({ nodes: [node('a', 'eu'), node('b', 'us')] }),
    /store: must have a node/,
  ],
  [
    'with a wrong name',
    several({ stores: { 'e-u': existing } }),
    /stores\.e-u: must have a name of up to 15 lower-case letters/,
  ],
  [
    'that takes too few connections',
    several({
      stores: { eu: { kind: 'new' }, us: { ...existing, maxConnections: 20 } },
      api: { concurrency: 10 },
    }),
    /stores\.us: may open too many connections: 10 of the API and 14 of the other functions; the store takes 20/,
  ],
])('refused: a store %s', (_, configuration, says) => {
  expect(() => parseConfiguration(configuration, 'of the test')).toThrow(says);
});
