/** The Terraform module gives the functions the rights and variables that the stacks give them, no more, and makes the same alarms. */
import { globSync, readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import example from '../../infra/config/example.ts';
import { type Synthesized, synthesize } from '../support/synthesize.ts';

interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
}

const module = Object.fromEntries(
  globSync('deploy/terraform/*.tf').map((path) => [path.replace(/^.*\//, ''), readFileSync(path, 'utf8')]),
);
const text = Object.values(module).join('\n');

let synthesized: Synthesized;

beforeAll(() => {
  const [node] = example.nodes;
  const iamUserArn = 'arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABC123/timewarp';
  const jwt = { kind: 'jwt', issuer: 'https://issuer.example', audience: ['a'], tablesClaim: 'tables' };
  const kmsKeyArns = ['arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555'];
  synthesized = synthesize({
    ...example,
    kmsKeyArns,
    nodes: [{ ...node, iamUserArn }],
    archive: { bucket: 'my-history', kmsKeyArn: kmsKeyArns[0] },
    api: { authorization: jwt, page: { clientId: 'page' } },
  });
});

function resources(type: string): Resource[] {
  return synthesized.assembly.stacks
    .flatMap(({ template }) => Object.values((template as { Resources: Record<string, Resource> }).Resources))
    .filter(({ Type }) => Type === type);
}

function sorted(found: Iterable<string>): string[] {
  return [...new Set(found)].toSorted();
}

test('the same actions are allowed', () => {
  const ofFunctions = resources('AWS::IAM::Policy').flatMap(({ Properties }) =>
    (Properties.PolicyDocument as { Statement: { Action: string | string[] }[] }).Statement.flatMap(
      ({ Action }) => Action,
    ),
  );
  const assumed = ['sts:AssumeRole', 'kms:*']; // of roles and of the owner of the key, which the CDK writes elsewhere
  const lines = text.split('\n').filter((line) => !/^\s*variable\s+=/.test(line)); // those are keys of conditions
  const action = /"((?:logs|ec2|secretsmanager|kms|rds-db|sns|sts|lambda|s3|glue):[A-Za-z*]+)"/g;
  const named = [...lines.join('\n').matchAll(action)];
  expect(sorted(named.map(([, name]) => name!).filter((name) => !assumed.includes(name)))).toEqual(
    sorted(ofFunctions),
  );
});

test('the same variables are set, with the same runtime, memory and time', () => {
  const functions = resources('AWS::Lambda::Function').map(({ Properties }) => Properties);
  const names = functions.flatMap(({ Environment }) =>
    Object.keys((Environment as { Variables: object }).Variables),
  );
  const set = [...text.matchAll(/\b(PGTIMEWARP_\w+|POWERTOOLS_\w+|NODE_OPTIONS)\s*=/g)].map(
    ([, name]) => name!,
  );
  expect(sorted(set)).toEqual(sorted(names));
  for (const { Description, Handler, Runtime } of functions)
    for (const value of [Description, Handler, Runtime]) expect(text).toContain(`"${value}"`);
  expect(text).toContain('architectures                  = ["arm64"]');
  const { memory, timeout } = {
    memory: sorted([...text.matchAll(/memory +(?:= )?= (\d+)/g)].map(([, value]) => value!)),
    timeout: sorted([...text.matchAll(/timeout +(?:= )?= (\d+)/g)].map(([, value]) => value!)),
  };
  const fixed = (key: string) => sorted(functions.map((each) => String(each[key])));
  expect(fixed('MemorySize')).toEqual(expect.arrayContaining(memory));
  expect(fixed('Timeout')).toEqual(expect.arrayContaining(timeout));
  expect([memory.length, timeout.length]).toEqual([3, 4]);
});

test('the same routes, and only the files of the page are open', () => {
  const routes = resources('AWS::ApiGatewayV2::Route').map(({ Properties }) => Properties);
  const open = routes.filter(({ AuthorizationType }) => AuthorizationType === 'NONE');
  const paths = /page_paths = .* : (\[.*\])$/m.exec(module['api.tf']!)![1]!;
  expect((JSON.parse(paths) as string[]).map((path) => `GET ${path}`).toSorted()).toEqual(
    open.map(({ RouteKey }) => String(RouteKey)).toSorted(),
  );
  const permitted = resources('AWS::Lambda::Permission')
    .map(({ Properties }) => JSON.stringify(Properties.SourceArn))
    .flatMap((arn) => /\/\*\/\*(\/[^"]*)"/.exec(arn)?.[1] ?? []);
  expect(permitted.toSorted()).toEqual([...(JSON.parse(paths) as string[]), '/{proxy+}'].toSorted());
});

test('the same alarms are made, and say the same', () => {
  const alarms = resources('AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
  const file = module['alarms.tf']!;
  const names = [...file.matchAll(/(?:metric|metric_name)\s+= "(\w+)"/g)].map(([, name]) => name!);
  expect(sorted(names)).toEqual(sorted(alarms.map(({ MetricName }) => String(MetricName))));
  const variable = `\${name}`; // as Terraform writes it
  const said = (description: unknown) =>
    String(description)
      .replaceAll(/\bshop\b/g, () => variable)
      .replaceAll(/function (poller|doctor|api|archiver):/g, () => `function ${variable}:`);
  for (const { AlarmDescription } of alarms) expect(file).toContain(`"${said(AlarmDescription)}"`);
});

test('requests are logged in the same form, and the custom resource gets the same properties', () => {
  const [stage] = resources('AWS::ApiGatewayV2::Stage');
  const { Format } = (stage!.Properties.AccessLogSettings ?? {}) as { Format: string };
  for (const [name, value] of Object.entries(JSON.parse(Format) as Record<string, string>))
    expect(module['api.tf']).toMatch(new RegExp(`${name} += "${value.replaceAll(/[$.]/g, '\\$&')}"`));
  const [databases] = resources('AWS::CloudFormation::CustomResource');
  for (const name of Object.keys(databases!.Properties))
    expect(module['databases.tf']).toMatch(new RegExp(`${name} +=`));
});
