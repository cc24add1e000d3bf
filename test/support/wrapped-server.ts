/** Programs of a server whose postgres runs with additional environment variables: another clock, another language. */
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresBinaries } from '../../cli/servers/find-binaries.ts';
import { chooseServer } from './choose-server.ts';

/** @param folder an empty one, which must exist as long as the server @param environment as `NAME=value`, for a shell */
export async function wrappedServer(
  folder: string,
  environment: readonly string[],
): Promise<PostgresBinaries> {
  const { binaries } = await chooseServer();
  for (const program of ['initdb', 'pg_ctl'])
    await copyFile(join(binaries.binDir, program), join(folder, program));
  await writeFile(
    join(folder, 'postgres'),
    `#!/bin/sh\n${environment.join(' ')} exec ${binaries.binDir}/postgres "$@"\n`,
    { mode: 0o755 },
  );
  await chmod(folder, 0o755);
  return { ...binaries, binDir: folder };
}
