/** `npm run build`: makes dist/, which is all code that the package has, and THIRD-PARTY-LICENSES. */
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { bundleProgram, libraryEntryPoints } from './bundle.ts';
import { pruneDeclarations } from './declarations.ts';
import { thirdPartyLicenses } from './third-party-licenses.ts';

const COMMAND = 'cli/main';

rmSync('dist', { recursive: true, force: true });
const library = libraryEntryPoints();
const packages = await bundleProgram({ ...library, [COMMAND]: `${COMMAND}.ts` });
chmodSync(`dist/${COMMAND}.js`, 0o755);

execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
pruneDeclarations(
  'dist',
  Object.keys(library).map((name) => `dist/${name}.d.ts`),
);

writeFileSync('THIRD-PARTY-LICENSES', thirdPartyLicenses(packages));
