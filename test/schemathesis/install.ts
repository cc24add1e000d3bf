/**
 * schemathesis (PyPI) tests HTTP APIs. It is installed into its own virtual environment, because it is Python and most test
 * runs do not need it.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../cli/servers/run-program.ts';

const VERSION = '4.32.5';
const FOLDER = join(tmpdir(), `pgtimewarp-schemathesis-${VERSION}`);

/** The path of the program. Installs it the first time. Throws an error that names what is missing. */
export async function installSchemathesis(): Promise<string> {
  const program = join(FOLDER, 'bin', 'schemathesis');
  if (existsSync(program)) return program;
  console.log(`installing schemathesis ${VERSION} in ${FOLDER}`);
  for (const [command, args] of [
    ['python3', ['-m', 'venv', FOLDER]],
    [join(FOLDER, 'bin', 'pip'), ['install', '--quiet', `schemathesis==${VERSION}`]],
  ] as const) {
    const { code, output } = await runProgram(command, args);
    if (code !== 0) throw new Error(`schemathesis was not installed (python3-venv, PyPI):\n${output}`);
  }
  return program;
}
