/** Loads the configuration of a deployment: the file of `-c config=PATH` (JSON, or a module with a default export). */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type DeploymentConfiguration, parseConfiguration } from './schema.ts';

/**
 * Throws an Error that names the file and the mistake. The file has no default: a command must not deploy or destroy the stacks of the
 * example by accident.
 */
export async function loadConfiguration(path: string | undefined): Promise<DeploymentConfiguration> {
  if (path === undefined) {
    throw new Error(
      'The configuration is missing. Copy infra/config/example.ts, change it, and name the copy: -c config=my-deployment.ts',
    );
  }
  return parseConfiguration(await read(path), path);
}

async function read(path: string): Promise<unknown> {
  const file = resolve(path);
  try {
    if (path.endsWith('.json')) return JSON.parse(readFileSync(file, 'utf8')) as unknown;
    return ((await import(pathToFileURL(file).href)) as { default: unknown }).default;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The configuration ${path} cannot be read: ${said}`, { cause });
  }
}
