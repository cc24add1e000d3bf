/**
 * Lambda's runtime interface client (npm `aws-lambda-ric`), the program that calls handlers in the real runtime. It is
 * installed apart from the dependencies of this project, because it builds native code and most test runs do not need it.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../cli/servers/run-program.ts';

const VERSION = '4.0.2';
const FOLDER = fileURLToPath(new URL('../../test-output/runtime-client', import.meta.url));
/** What the build needs, and the Debian package that contains it. */
const PROGRAMS: readonly (readonly [program: string, debian: string])[] = [
  ['cmake', 'cmake'],
  ['g++', 'g++'],
  ['make', 'make'],
  ['python3', 'python3'],
  ['xz', 'xz-utils'],
  ['autoreconf', 'autoconf automake libtool'],
];

/** The path of the client's program. Installs it the first time, which takes minutes. */
export async function installRuntimeClient(): Promise<string> {
  const program = join(FOLDER, 'node_modules', 'aws-lambda-ric', 'index.mjs');
  if (existsSync(join(FOLDER, 'node_modules', 'aws-lambda-ric', 'rapid-client.node'))) return program;
  const missing: string[] = [];
  for (const [name, debian] of PROGRAMS) {
    const { code } = await runProgram('sh', ['-c', `command -v ${name}`]);
    if (code !== 0) missing.push(debian);
  }
  if (missing.length > 0) {
    throw new Error(`aws-lambda-ric cannot be built here: apt-get install ${missing.join(' ')}`);
  }
  console.log(`building aws-lambda-ric ${VERSION} in ${FOLDER}; that takes minutes, once`);
  mkdirSync(FOLDER, { recursive: true });
  const manifest = {
    private: true,
    dependencies: { 'aws-lambda-ric': VERSION },
    allowScripts: { 'aws-lambda-ric': true },
  };
  writeFileSync(join(FOLDER, 'package.json'), JSON.stringify(manifest));
  const { code, output } = await runProgram('npm', [
    'install',
    '--no-audit',
    '--no-fund',
    '--prefix',
    FOLDER,
  ]);
  if (code !== 0) throw new Error(`aws-lambda-ric was not built:\n${output}`);
  return program;
}
