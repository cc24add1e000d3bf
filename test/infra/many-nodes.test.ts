/** Deployments with many nodes: their secrets follow a convention, and what AWS limits stays within the limits. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import example from '../../infra/config/example.ts';
import { parseConfiguration } from '../../infra/config/schema.ts';
import { type Synthesized, synthesize } from '../support/synthesize.ts';

type Resource = { Type: string; Properties: Record<string, unknown> };

const PREFIX = 'pgtimewarp/sources/';
const nodes = (count: number): object[] =>
  Array.from({ length: count }, (_, index) => ({
    node: `shop_${index}`,
    tables: [{ name: 'public.orders' }],
  }));
const many = (count: number, more: object = {}): object => ({
  ...example,
  sourceSecretPrefix: PREFIX,
  nodes: nodes(count),
  store: { ...example.store, maxConnections: 5000 },
  ...more,
});

function resourcesOf({ assembly }: Synthesized): Map<string, Resource[]> {
  return new Map(
    assembly.stacks.map((stack) => [
      stack.stackName,
      Object.values((stack.template as { Resources: Record<string, Resource> }).Resources),
    ]),
  );
}

const ofType = (resources: Map<string, Resource[]>, type: string): Resource[] =>
  [...resources.values()].flat().filter(({ Type }) => Type === type);

test('a thousand nodes in parts: no map in the environment, a schedule for each part, alarms of the worst node', () => {
  const resources = resourcesOf(
    synthesize(many(1000, { functions: { parts: 10, nodesAtOnce: 5 }, alarms: { eachNode: false } })),
  );
  expect([...resources.keys()]).toHaveLength(5);
  for (const [name, all] of resources) expect(all.length, name).toBeLessThan(500);
  for (const { Properties } of ofType(resources, 'AWS::Lambda::Function')) {
    const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
    expect(JSON.stringify(Variables).length).toBeLessThan(2000);
    if ('PGTIMEWARP_SOURCE_SECRET_ARNS' in Variables)
      expect(Variables).toMatchObject({
        PGTIMEWARP_SOURCE_SECRET_ARNS: '{}',
        PGTIMEWARP_SOURCE_SECRET_PREFIX: PREFIX,
      });
  }
  for (const { Properties } of ofType(resources, 'AWS::IAM::Policy'))
    expect(JSON.stringify(Properties.PolicyDocument).length).toBeLessThan(10_240);
  const inputs = ofType(resources, 'AWS::Scheduler::Schedule').map(
    ({ Properties }) => (Properties.Target as { Input: string }).Input,
  );
  expect(inputs.filter((input) => input === '{"part":3,"of":10}')).toHaveLength(2); // of the runs and of doctor
  expect(inputs).toHaveLength(20);
  const [databases] = [...resources.values()]
    .flat()
    .filter(({ Properties }) => Properties?.Nodes !== undefined);
  const text = databases!.Properties.Nodes as string;
  expect(2 * JSON.stringify(text).length).toBeLessThan(256 * 1024 - 2_000); // an update has it twice
  expect((JSON.parse(text) as unknown[])[7]).toEqual({
    node: 'shop_7',
    sourceSecretArn: `${PREFIX}shop_7`,
    tables: [{ name: 'public.orders' }],
  });
  const alarms = ofType(resources, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.MetricName);
  expect(alarms).toEqual(
    expect.arrayContaining([
      'WorstHorizonAgeInSeconds',
      'WorstWalBudgetUsedInPercent',
      'NodesFailed',
      'NodesWithGaps',
    ]),
  );
  expect(alarms).not.toContain('HorizonAgeInSeconds');
});

test('alarms and schedules of each of many nodes are in several stacks, of less than 500 resources each', () => {
  const resources = resourcesOf(synthesize(many(420)));
  expect([...resources.keys()].sort()).toEqual(
    ['app', 'http-api', 'store']
      .concat(['monitoring', 'monitoring-2', 'monitoring-3', 'monitoring-4', 'monitoring-5'])
      .concat(['schedules', 'schedules-2'])
      .map((name) => `pgtimewarp-${name}`)
      .sort(),
  );
  for (const [name, all] of resources) expect(all.length, name).toBeLessThan(500);
  const alarms = ofType(resources, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.MetricName);
  expect(alarms.filter((name) => name === 'HorizonAgeInSeconds')).toHaveLength(420);
  expect(alarms.filter((name) => name === 'WorstHorizonAgeInSeconds')).toHaveLength(1);
  expect(ofType(resources, 'AWS::Scheduler::Schedule')).toHaveLength(421);
});

test('secrets by the convention have no findings', { timeout: 120_000 }, () => {
  const { assembly } = synthesize(many(2, { functions: { parts: 2 }, alarms: { eachNode: false } }), {
    rules: true,
  });
  const text = readFileSync(join(assembly.directory, 'validation-report.json'), 'utf8');
  const { pluginReports } = JSON.parse(text) as { pluginReports: { violations: { ruleName: string }[] }[] };
  expect(pluginReports.flatMap(({ violations }) => violations)).toEqual([]);
});

test('the worst alarm fits the rates of the runs', () => {
  const of = (...minutes: number[]): unknown => {
    const some = minutes.map((everyMinutes) => ({
      ...example.nodes[0],
      node: `every_${everyMinutes}`,
      everyMinutes,
    }));
    const resources = resourcesOf(synthesize({ ...example, nodes: some }));
    const [worst] = ofType(resources, 'AWS::CloudWatch::Alarm').filter(
      ({ Properties }) => Properties.MetricName === 'WorstHorizonAgeInSeconds',
    );
    return [worst!.Properties.Period, worst!.Properties.Threshold];
  };
  expect(of(1, 60)).toEqual([60, 300 + 59 * 60]);
  expect(of(5, 10)).toEqual([300, 300 + 9 * 60]);
});

test.for([
  [
    'no convention',
    { ...example, nodes: nodes(1) },
    /^nodes\[0\]\.sourceSecretArn: must be the ARN of a secret, unless/m,
  ],
  [
    'a place without a secret of its own',
    many(1, { nodes: [{ node: 'a', database: { dbname: 'x' } }] }),
    /^nodes\[0\]\.database: needs a sourceSecretArn/m,
  ],
  [
    'parts, and a node that is read rarely',
    many(1, { nodes: [{ node: 'a', everyMinutes: 5 }], functions: { parts: 2 } }),
    /^nodes\[0\]\.everyMinutes: must be 1/m,
  ],
  ['too much for an event', many(3000), /^nodes: are too many for one deployment \(3000\)/m],
] as const)('%s is refused', ([, configuration, says]) => {
  expect(() => parseConfiguration(configuration, 'test')).toThrow(says);
});
