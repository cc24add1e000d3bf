/**
 * The files that the constructs take from the package: the code of the functions, the migrations, the version. The places are the
 * same in the repository and in the installed package.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Construct } from 'constructs';

/** Two folders above infra/constructs/ in the repository, and above dist/infra/ or dist/chunks/ in the package. */
const ROOT = join(import.meta.dirname, '../..');

/** The context key that names another folder with the code of the functions, such as a build of one's own. */
export const FUNCTIONS_CONTEXT = 'pgtimewarp:functions';

export const MIGRATIONS = join(ROOT, 'migrations');

/** Throws an Error with the remedy when the folder has not been built. */
export function functionFolder(scope: Construct, name: string): string {
  const named = scope.node.tryGetContext(FUNCTIONS_CONTEXT) as string | undefined;
  const folder = join(named ?? join(ROOT, 'dist/lambda'), name);
  if (existsSync(join(folder, 'index.mjs'))) return folder;
  throw new Error(`The code of the function ${name} is missing in ${folder}: npm run build makes it.`);
}

/** The version of this program, which the functions get as a variable. */
export function version(): string {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}
