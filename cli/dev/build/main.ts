/** `npm run build`: makes dist/, which is all code that the package has (the page too), and THIRD-PARTY-LICENSES. */
import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, rmSync, writeFileSync } from 'node:fs';
import { bundleProgram, libraryEntryPoints } from './bundle.ts';
import { pruneDeclarations } from './declarations.ts';
import { buildDocs } from './docs.ts';
import { buildFunctions } from './functions.ts';
import { bundlePage } from './page.ts';
import { thirdPartyLicenses } from './third-party-licenses.ts';

const COMMAND = 'cli/main';
/** It is brought up to date file by file: a synth may read it meanwhile. */
const FUNCTIONS = 'dist/lambda';

for (const path of globSync('dist/*')) if (path !== FUNCTIONS) rmSync(path, { recursive: true, force: true });
const library = libraryEntryPoints();
const packages = await bundleProgram({ ...library, [COMMAND]: `${COMMAND}.ts` });
packages.push(...(await buildFunctions(FUNCTIONS)), ...(await bundlePage()));
await buildDocs();
chmodSync(`dist/${COMMAND}.js`, 0o755);

execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
pruneDeclarations(
  'dist',
  Object.keys(library).map((name) => `dist/${name}.d.ts`),
);

writeFileSync('THIRD-PARTY-LICENSES', thirdPartyLicenses([...new Set(packages)].toSorted()));
