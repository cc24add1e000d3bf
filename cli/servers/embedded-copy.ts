/**
 * Makes npm's PostgreSQL programs usable in two cases. The package links its libraries in an install script, which package
 * managers may refuse to run. And the user who runs the server cannot enter a checkout under /root.
 */

import { existsSync, lstatSync } from 'node:fs';
import { cp, readFile, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import type { PostgresBinaries } from './find-binaries.ts';
import { runProgram } from './run-program.ts';
import type { UnprivilegedUser } from './unprivileged-user.ts';

const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The folder to run the programs from: their own if it works, otherwise a complete copy in `folder`. */
export async function usableBinDir(
  binaries: PostgresBinaries,
  folder: string,
  user: UnprivilegedUser | null,
): Promise<string> {
  if (binaries.kind === 'local') return binaries.binDir;
  const packageDir = join(binaries.binDir, '../..');
  const listFile = join(packageDir, 'native/pg-symlinks.json');
  const links = existsSync(listFile) ? Links.parse(JSON.parse(await readFile(listFile, 'utf8'))) : [];
  const complete = links.every((link) => isPresent(join(packageDir, link.target)));
  if (complete && (await canRun(join(binaries.binDir, 'initdb'), folder, user))) return binaries.binDir;

  await cp(join(packageDir, 'native'), join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  for (const link of links) {
    const target = join(folder, link.target);
    if (!isPresent(target)) await symlink(relative(dirname(target), join(folder, link.source)), target);
  }
  return join(folder, 'native/bin');
}

/** True also for a link without a target; `existsSync` would follow the link. */
function isPresent(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

async function canRun(program: string, cwd: string, user: UnprivilegedUser | null): Promise<boolean> {
  try {
    return (await runProgram(program, ['--version'], { cwd, user })).code === 0;
  } catch {
    return false; // EACCES: that user cannot enter the folder
  }
}
