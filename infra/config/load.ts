/** Finds the configuration of a deployment: a file named by `-c config=PATH` (JSON, or a module with a default export). */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import example from './example.ts';
import { type DeploymentConfiguration, parseConfiguration } from './schema.ts';

/** The annotated example when no file is named. */
export async function loadConfiguration(path: string | undefined): Promise<DeploymentConfiguration> {
  if (path === undefined) return parseConfiguration(example, 'infra/config/example.ts');
  const file = resolve(path);
  const value: unknown = path.endsWith('.json')
    ? JSON.parse(readFileSync(file, 'utf8'))
    : ((await import(pathToFileURL(file).href)) as { default: unknown }).default;
  return parseConfiguration(value, path);
}
