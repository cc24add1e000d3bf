/** The metrics that functions reported and those that the templates watch, in one form. */
import { FUNCTION_NAME } from './run-lambda.ts';
import type { Synthesized } from './synthesize.ts';

export interface NamedMetric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: readonly (readonly [string, string])[];
}

type Reported = Record<string, unknown> & {
  readonly _aws: {
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string }[];
    }[];
  };
};

/** From log lines in the embedded metric format (CloudWatch User Guide). */
export function reportedMetrics(output: string): NamedMetric[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{"_aws"'));
  return lines
    .map((line) => JSON.parse(line) as Reported)
    .flatMap((entry) =>
      entry._aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
        Dimensions.flatMap((names) =>
          Metrics.map(({ Name }) =>
            named(
              Namespace,
              Name,
              names.map((name) => [name, String(entry[name])]),
            ),
          ),
        ),
      ),
    );
}

/** Our own metrics in alarms and dashboards; nodes are renamed, and functions have the name that they have in tests. */
export function watchedMetrics(
  { assembly, stacks }: Synthesized,
  nodes: Readonly<Record<string, string>>,
): NamedMetric[] {
  const template = assembly.getStackByName(stacks.monitoring.stackName).template as {
    Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
  };
  const renamed = (dimensions: readonly [string, string][]): [string, string][] => {
    const service = new Map(dimensions).get('service')!;
    return dimensions.map(([key, value]) => {
      if (key === 'node') return [key, nodes[value] ?? value];
      const isIts = key === 'function_name' && value.toLowerCase().includes(service);
      return [key, isIts ? FUNCTION_NAME : value];
    });
  };
  const found: NamedMetric[] = [];
  for (const { Type, Properties } of Object.values(template.Resources)) {
    if (Type === 'AWS::CloudWatch::Alarm') {
      const dimensions = Properties.Dimensions as { Name: string; Value: unknown }[];
      found.push(
        named(
          Properties.Namespace as string,
          Properties.MetricName as string,
          renamed(dimensions.map(({ Name, Value }) => [Name, nameOf(Value)])),
        ),
      );
    }
    if (Type === 'AWS::CloudWatch::Dashboard') {
      for (const [namespace, name, ...rest] of dashboardMetrics(Properties.DashboardBody)) {
        const texts = rest.filter((each) => typeof each === 'string');
        const pairs = texts.flatMap((key, index) =>
          index % 2 === 0 ? [[key, texts[index + 1]!] as [string, string]] : [],
        );
        found.push(named(namespace as string, name as string, renamed(pairs)));
      }
    }
  }
  return found.filter(({ namespace }) => !namespace.startsWith('AWS/'));
}

/** The body is a text, split where CloudFormation inserts a value. */
function dashboardMetrics(body: unknown): unknown[][] {
  const pieces = (body as { 'Fn::Join': [string, unknown[]] })['Fn::Join'][1];
  const text = pieces.map(nameOf).join('');
  const { widgets } = JSON.parse(text) as { widgets: { properties: { metrics?: unknown[][] } }[] };
  return widgets.flatMap(({ properties }) => properties.metrics ?? []);
}

/** A text, or a name of the value that CloudFormation inserts. */
function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value).replaceAll(/\W/g, '');
}

function named(
  namespace: string,
  name: string,
  dimensions: readonly (readonly [string, string])[],
): NamedMetric {
  return { namespace, name, dimensions: [...dimensions].sort(([a], [b]) => (a < b ? -1 : 1)) };
}
