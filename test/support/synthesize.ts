/** Synthesises a deployment like `cdk synth`, with the context of cdk.json, into its own folder. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App } from 'aws-cdk-lib';
import type { CloudAssembly } from 'aws-cdk-lib/cx-api';
import { buildFunctions, FUNCTIONS } from '../../cli/dev/build/functions.ts';
import { parseConfiguration } from '../../infra/config/schema.ts';
import { FUNCTIONS_CONTEXT } from '../../infra/constructs/package-files.ts';
import { checkRules } from '../../infra/nag.ts';
import { buildStacks, type Stacks } from '../../infra/stacks/build-stacks.ts';
import type { FunctionName } from './lambda-databases.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Synthesized {
  readonly stacks: Stacks;
  readonly assembly: CloudAssembly;
}

/** The settings with which the CLI runs the app. */
export function cdkContext(): Record<string, unknown> {
  const file = readFileSync(join(ROOT, 'cdk.json'), 'utf8');
  return (JSON.parse(file) as { context: Record<string, unknown> }).context;
}

/** The folders with the code of the functions, made once: as the build makes it, or placeholders. */
const folders = { built: null as Promise<string> | null, placeholder: null as string | null };

function placeholders(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pgtimewarp-placeholder-'));
  for (const name of FUNCTIONS) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'index.mjs'), `// ${name}\n`);
  }
  return folder;
}

/** The functions as `npm run build` writes them to dist/lambda, from the sources as they are now. */
export function builtFunctions(): Promise<string> {
  folders.built ??= build();
  return folders.built;
}

async function build(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'pgtimewarp-functions-'));
  await buildFunctions(folder);
  return folder;
}

/** A folder for `Timewarp` and for the stacks in which every function has a line of code. */
export function placeholderFunctions(): string {
  folders.placeholder ??= placeholders();
  return folders.placeholder;
}

/** The templates; the code of the functions is a placeholder. */
export function synthesize(configuration: unknown, { rules = false } = {}): Synthesized {
  return synthesizeWith(placeholderFunctions(), configuration, rules);
}

/** With the functions as they are deployed. */
export async function synthesizeWithCode(configuration: unknown): Promise<Synthesized> {
  return synthesizeWith(await builtFunctions(), configuration, false);
}

function synthesizeWith(functions: string, configuration: unknown, rules: boolean): Synthesized {
  const app = new App({
    outdir: mkdtempSync(join(tmpdir(), 'pgtimewarp-synth-')),
    context: {
      ...cdkContext(),
      'aws:cdk:enable-asset-metadata': true, // as the CLI requests
      [FUNCTIONS_CONTEXT]: functions,
    },
  });
  if (rules) checkRules(app);
  const stacks = buildStacks(app, parseConfiguration(configuration, 'of the test'));
  return { stacks, assembly: app.synth() };
}

/** The folder of a function's bundle, by the function's construct in the app stack. */
export function bundleFolder({ assembly, stacks }: Synthesized, name: FunctionName): string {
  const template = assembly.getStackByName(stacks.app.stackName).template as {
    Resources: Record<string, { Type: string; Metadata?: Record<string, string> }>;
  };
  const [found] = Object.entries(template.Resources).filter(
    ([id, resource]) => resource.Type === 'AWS::Lambda::Function' && id.startsWith(name),
  );
  const path = found?.[1].Metadata?.['aws:asset:path'];
  if (path === undefined) throw new Error(`the app stack has no function ${name} with a bundle`);
  return join(assembly.directory, path);
}
