/**
 * `node cli/dev/build/functions.ts`, and a part of `npm run build`: makes the code of the Lambda functions. What is in dist/lambda is
 * what the package and the release have, what the stacks deploy, and what the tests run.
 */
import { cpSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundleFunctions } from './bundle.ts';
import { bundlePage } from './page.ts';

export const FUNCTIONS = ['api', 'archiver', 'doctor', 'maintenance', 'migrate', 'poller'] as const;
const WITH_MIGRATIONS = ['archiver', 'doctor', 'maintenance', 'migrate'];
const WITH_PAGE = 'api/page';
const TARGET = 'dist/lambda';

/** Returns the folders of the packages whose code is in the functions. */
export async function buildFunctions(folder: string): Promise<string[]> {
  const packages = await bundleFunctions(FUNCTIONS, folder);
  packages.push(...(await bundlePage(join(folder, WITH_PAGE))));
  const paths = globSync(['migrations/*.do.*.sql', 'migrations/functions/*/*.sql']);
  for (const name of WITH_MIGRATIONS) {
    const there = globSync('migrations/**/*.sql', { cwd: join(folder, name) });
    for (const path of there) if (!paths.includes(path)) rmSync(join(folder, name, path));
    for (const path of paths) cpSync(path, join(folder, name, path));
  }
  return packages;
}

if (import.meta.main) await buildFunctions(TARGET);
