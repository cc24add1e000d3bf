/** `npm run build`: makes dist/, which is all code that the package has (the page too), and THIRD-PARTY-LICENSES. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, globSync, rmSync, writeFileSync } from 'node:fs';
import { bundleFunctions, bundleProgram, libraryEntryPoints } from './bundle.ts';
import { pruneDeclarations } from './declarations.ts';
import { bundlePage } from './page.ts';
import { thirdPartyLicenses } from './third-party-licenses.ts';

const COMMAND = 'cli/main';
const FUNCTIONS = ['api', 'doctor', 'maintenance', 'migrate', 'poller'];
const WITH_MIGRATIONS = ['doctor', 'maintenance', 'migrate'];

rmSync('dist', { recursive: true, force: true });
const library = libraryEntryPoints();
const packages = await bundleProgram({ ...library, [COMMAND]: `${COMMAND}.ts` });
packages.push(...(await bundleFunctions(FUNCTIONS)), ...(await bundlePage()));
for (const path of globSync(['migrations/*.do.*.sql', 'migrations/functions/*/*.sql'])) {
  for (const name of WITH_MIGRATIONS) cpSync(path, `dist/lambda/${name}/${path}`);
}
chmodSync(`dist/${COMMAND}.js`, 0o755);

execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
});
pruneDeclarations(
  'dist',
  Object.keys(library).map((name) => `dist/${name}.d.ts`),
);

writeFileSync('THIRD-PARTY-LICENSES', thirdPartyLicenses([...new Set(packages)].toSorted()));
