/**
 * The Terraform module: its format and its expressions by terraform, without the provider, which is not on every machine; the arguments of
 * its resources by the provider's schema; its resources by checkov. What checkov finds is in the list below with a reason.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runProgram } from '../../cli/servers/run-program.ts';
import example from '../../infra/config/example.ts';
import { wantedState } from '../../lambda/migrate/properties.ts';
import { readConfiguration } from '../../lambda/shared/configuration.ts';
import { describeNeeding } from '../support/needs.ts';
import { synthesize } from '../support/synthesize.ts';
import { installLinter, installSchema } from './install.ts';

const MODULE = 'deploy/terraform';

const ACCEPTED: Readonly<Record<string, string>> = {
  CKV_AWS_109:
    'The policy of a key: its resources are the key. Without the account in it nobody could manage the key.',
  CKV_AWS_111:
    'Network interfaces of functions in a VPC, whose actions accept no resources and are denied to the code; and the policy of a key.',
  CKV_AWS_116: 'The next run of the schedule is the retry.',
  CKV_AWS_124: 'The stack has one resource, and its failure is the failure of the apply.',
  CKV_AWS_158: 'Logs have no rows and no secrets; CloudWatch encrypts them with its own key.',
  CKV_AWS_173: 'The variables of the functions name secrets and contain none.',
  CKV_AWS_272:
    'The zip files have checksums, which a release lists; a signing profile belongs to an account.',
  CKV_AWS_297: 'The input of a schedule is the name of a node.',
  CKV_AWS_309: 'The preflight request of a browser has no signature and no token; it reads nothing.',
  CKV_AWS_338: 'How long logs are kept is a variable.',
  CKV_AWS_356: 'As CKV_AWS_111.',
  CKV_AWS_50:
    'Log lines and metrics of a run have its times. Traces would need one more right and one more way out of the subnets.',
};

test('checkov', async () => {
  const args = [
    '--directory',
    MODULE,
    '--framework',
    'terraform',
    '--compact',
    '--quiet',
    '--output',
    'json',
  ];
  const { output } = await runProgram(await installLinter('checkov'), args);
  const { results, summary } = JSON.parse(output.slice(output.indexOf('{'))) as {
    results: { failed_checks: { check_id: string }[] };
    summary: { passed: number; parsing_errors: number };
  };
  expect(summary).toMatchObject({ parsing_errors: 0 });
  expect(summary.passed).toBeGreaterThan(80);
  const found = results.failed_checks.map(({ check_id }) => check_id);
  expect([...new Set(found)].toSorted()).toEqual(Object.keys(ACCEPTED));
});

describe('the schema of the provider', () => {
  const judged = async (
    folder: string,
  ): Promise<{ blocks: number; arguments: number; problems: string[] }> => {
    const script = 'test/templates/provider-schema.py';
    const { code, output } = await runProgram(await installSchema(), [script, folder]);
    expect(code, output).toBe(0);
    return JSON.parse(output) as { blocks: number; arguments: number; problems: string[] };
  };

  test('has every argument and block, and needs no other', async () => {
    const { problems, ...counts } = await judged(MODULE);
    expect(problems).toEqual([]);
    expect(counts.blocks).toBeGreaterThan(70);
    expect(counts.arguments).toBeGreaterThan(280);
  });

  test('finds what is wrong', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pgtimewarp-terraform-'));
    writeFileSync(
      join(folder, 'wrong.tf'),
      `resource "aws_lambda_function" "a" {
         function_name = "a"
         runtimes      = "nodejs24.x"
         logging_config {
           log_formats = "Text"
         }
       }
       resource "aws_lambda_functions" "b" {}\n`,
    );
    expect((await judged(folder)).problems.toSorted()).toEqual([
      'resource aws_lambda_function.a.logging_config: log_format is missing',
      'resource aws_lambda_function.a.logging_config: the provider has no log_formats',
      'resource aws_lambda_function.a: role is missing',
      'resource aws_lambda_function.a: the provider has no runtimes',
      'resource aws_lambda_functions.b: the provider has no such resource',
    ]);
  });
});

const terraform = await runProgram('terraform', ['version']).catch(() => ({ code: 1 }));

describeNeeding(
  { what: 'terraform', met: terraform.code === 0, remedy: 'the program terraform, on the PATH' },
  'by terraform',
  () => {
    test('the format is that of terraform fmt', async () => {
      const { code, output } = await runProgram('terraform', ['fmt', '-check', '-recursive', MODULE]);
      expect(code, output).toBe(0);
    });

    describe('its expressions, with resources replaced by texts', () => {
      test('give the custom resource what the migrate function takes', async () => {
        const { nodes } = wantedState({ Nodes: (await evaluated()).nodes, ForgetSources: '[]' });
        expect(nodes).toEqual([
          {
            node: 'shop',
            sourceSecretArn: `${example.nodes[0]!.sourceSecretArn}#dbname=shop&host=db.example&port=5433`,
            plugin: 'pgoutput',
            slotName: null,
            tables: [
              {
                ...{ name: 'public.orders', exclude: [], retention: null, baseline: true, noNan: false },
                ...{ shared: false, archive: null },
              },
              {
                ...{ name: 'b', exclude: ['c'], retention: '90d', baseline: false, noNan: true },
                ...{ shared: false, archive: { hot: '30d', drop: false, minRows: null } },
              },
            ],
          },
        ]);
      });

      test('make the alarms of the stacks', async () => {
        const { alarms } = await evaluated(ARCHIVE);
        const { assembly } = synthesize({ ...example, archive: { bucket: 'my-history', everyMinutes: 30 } });
        const monitoring = assembly.getStackByName('pgtimewarp-monitoring').template as {
          Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
        };
        const made = Object.values(monitoring.Resources)
          .filter(({ Type }) => Type === 'AWS::CloudWatch::Alarm')
          .map(({ Properties: each }) => [
            each.AlarmDescription,
            each.Threshold,
            each.EvaluationPeriods,
            each.Period,
            each.ComparisonOperator,
            each.TreatMissingData,
          ])
          .filter(([said]) => !/^(The HTTP API|One answer|The history of a node)/.test(String(said))); // they are resources of their own
        const ours = alarms.map((each) => [
          each.text,
          each.threshold,
          each.periods,
          each.period,
          each.operator,
          each.missing,
        ]);
        expect(ours.map(String).toSorted()).toEqual(made.map(String).toSorted());
        expect(ours).toHaveLength(12);
      });

      test('make functions and schedules, with and without an API', async () => {
        const { functions, schedules } = await evaluated();
        expect(functions).toEqual(['api', 'doctor', 'maintenance', 'migrate', 'poller']);
        expect(schedules).toEqual({ 'poll-shop': '{"node":"shop"}', doctor: '{}' });
        expect((await evaluated('api = null')).functions).not.toContain('api');
      });

      test('with an archive make the archiver and its schedule, and tell it and the API where it is', async () => {
        const { functions, schedules, api, archiver } = await evaluated(ARCHIVE);
        expect(functions).toEqual(['api', 'archiver', 'doctor', 'maintenance', 'migrate', 'poller']);
        expect(schedules.archive).toBe('{}');
        expect(readConfiguration(['archiveToRead'], api.environment).archiveToRead).toBe(
          's3://my-history/history',
        );
        const names = ['archiveUrl', 'catalogUrl', 'warehouse', 'catalogSigning'] as const;
        expect(readConfiguration(names, archiver)).toEqual({
          archiveUrl: 's3://my-history/history',
          catalogUrl: 'https://glue.region.dns_suffix/iceberg',
          warehouse: 'account_id',
          catalogSigning: 'glue/region',
        });
        const other = await evaluated(
          'archive = { bucket = "my-history", prefix = "a/b", catalog_url = "https://catalog.example" }',
        );
        expect(readConfiguration(names, other.archiver)).toEqual({
          archiveUrl: 's3://my-history/a/b',
          catalogUrl: 'https://catalog.example',
          warehouse: null,
          catalogSigning: null,
        });
        const without = await evaluated();
        expect(readConfiguration(['archiveToRead'], without.api.environment).archiveToRead).toBeNull();
      });

      test('give the function what the page needs, and open its files alone', async () => {
        const jwt = 'jwt = { issuer = "https://issuer.example", audience = ["a"] }';
        const { api } = await evaluated(`api = { ${jwt}, page = { client_id = "page" } }`);
        const { signIn } = readConfiguration(['signIn'], api.environment);
        expect(signIn).toEqual({
          issuer: 'https://issuer.example',
          clientId: 'page',
          scopes: ['openid'],
          tokenOrigin: 'https://issuer.example',
        });
        expect(api.open).toEqual(['/', '/ui', '/ui/{proxy+}', '/assets/{proxy+}']);
        const other = await evaluated(
          `api = { ${jwt}, page = { client_id = "page", token_origin = "https://tokens.example" } }`,
        );
        expect(readConfiguration(['signIn'], other.api.environment).signIn!.tokenOrigin).toBe(
          'https://tokens.example',
        );
        const without = await evaluated(`api = { ${jwt} }`);
        expect([without.api.open, without.api.environment.PGTIMEWARP_SIGN_IN]).toEqual([[], undefined]);
      });

      test.each([
        ['page = { client_id = "page" }', 'The page needs jwt'],
        ['JWT, page = { client_id = "page", scopes = ["email"] }', 'must contain openid'],
        [
          'JWT, page = { client_id = "page", token_origin = "tokens.example" }',
          'must be a scheme and a host',
        ],
      ])('refuse for the API %s', async (setting, said) => {
        const jwt = 'jwt = { issuer = "https://issuer.example", audience = ["a"] }';
        await expect(evaluated(`api = { ${setting.replace('JWT', jwt)} }`)).rejects.toThrow(said);
      });

      test.each([
        ['bucket = "s3://b"', 'must be the name of a bucket'],
        ['bucket = "my-history", prefix = "/a"', 'must be the name of a folder'],
        ['bucket = "my-history", every_minutes = 5', 'must start every 15 to 1440'],
      ])('refuse for the archive %s', async (setting, said) => {
        await expect(evaluated(`archive = { ${setting} }`)).rejects.toThrow(said);
      });
    });
  },
);

const ARCHIVE = 'archive = { bucket = "my-history", every_minutes = 30 }';

interface Evaluated {
  readonly nodes: string;
  readonly alarms: Record<string, unknown>[];
  readonly functions: string[];
  readonly schedules: Record<string, string>;
  /** The variables of the archiver; none: there is none. */
  readonly archiver: Record<string, string>;
  readonly api: { readonly environment: Record<string, string>; readonly open: string[] };
}

/** The values of the module's expressions: a module without resources needs no provider. */
async function evaluated(setting = ''): Promise<Evaluated> {
  const folder = mkdtempSync(join(tmpdir(), 'pgtimewarp-terraform-'));
  const read = (name: string) => readFileSync(join(MODULE, name), 'utf8');
  const locals = ['functions.tf', 'schedules.tf', 'api.tf', 'alarms.tf']
    .map((name) => /^locals \{[\s\S]*?^\}$/m.exec(read(name))![0])
    .join('\n')
    .replaceAll(/\baws_\w+\.\w+\.arn/g, '"arn:of:resource"')
    .replaceAll(/\bdata\.aws_\w+\.current\.(\w+)/g, '"$1"');
  const nodes = /Nodes = (jsonencode\(\[for[\s\S]*?\n {10}\}\]\))/.exec(read('databases.tf'))![1];
  writeFileSync(join(folder, 'variables.tf'), read('variables.tf'));
  writeFileSync(join(folder, 'locals.tf'), locals);
  writeFileSync(
    join(folder, 'outputs.tf'),
    `output "all" {
       value = {
         nodes     = ${nodes}
         alarms    = concat(values(local.node_alarms), values(local.function_alarms), values(local.archive_alarms))
         functions = keys(local.functions)
         archiver  = try(local.functions["archiver"].environment, {})
         api       = { environment = try(local.functions["api"].environment, {}), open = local.page_paths }
         schedules = { for name, each in local.schedules : name => each.input }
       }
     }\n`,
  );
  writeFileSync(
    join(folder, 'terraform.tfvars'),
    `artifacts  = "artifacts"
     vpc_id     = "vpc-1"
     subnet_ids = ["subnet-1"]
     store      = { owner_secret_arn = "arn:o", writer_secret_arn = "arn:w", reader_secret_arn = "arn:r" }
     nodes = { shop = {
       secret_arn = "${example.nodes[0]!.sourceSecretArn}", host = "db.example", port = 5433, dbname = "shop", plugin = "pgoutput"
       tables = [{ name = "public.orders" }, { name = "b", exclude = ["c"], retention = "90d", baseline = false, no_nan = true, archive = { hot = "30d" } }]
     } }
     ${setting}\n`,
  );
  for (const args of [
    ['init', '-input=false'],
    ['apply', '-auto-approve', '-input=false'],
  ]) {
    const { code, output } = await runProgram('terraform', [`-chdir=${folder}`, ...args, '-no-color']);
    if (code !== 0) throw new Error(`terraform ${args[0]}: ${output}`);
  }
  const { output } = await runProgram('terraform', [`-chdir=${folder}`, 'output', '-json', 'all']);
  return JSON.parse(output.slice(output.indexOf('{"'))) as Evaluated;
}
