/**
 * cfn-lint, checkov and kubernetes-validate (PyPI) judge templates. They are installed into a virtual environment of their own, because they are Python and
 * most test runs do not need them.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../cli/servers/run-program.ts';

const PACKAGES = ['cfn-lint==1.58.0', 'checkov==3.3.30', 'kubernetes-validate==1.37.0'] as const;
const FOLDER = join(tmpdir(), 'pgtimewarp-template-linters');

export type Linter = 'cfn-lint' | 'checkov' | 'kubernetes-validate';

/** The path of the program. Installs all the first time. Throws an error that names what is missing. */
export async function installLinter(name: Linter): Promise<string> {
  const program = join(FOLDER, 'bin', name);
  if (existsSync(program)) return program;
  console.log(`installing ${PACKAGES.join(', ')} in ${FOLDER}`);
  for (const [command, args] of [
    ['python3', ['-m', 'venv', FOLDER]],
    [join(FOLDER, 'bin', 'pip'), ['install', '--quiet', ...PACKAGES]],
  ] as const) {
    const { code, output } = await runProgram(command, args);
    if (code !== 0) throw new Error(`the linters were not installed (python3-venv, PyPI):\n${output}`);
  }
  return program;
}
