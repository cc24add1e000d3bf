/**
 * `npm run release:artifacts`: after the build, writes to artifacts/ what people take who do not use npm: a zip file for each Lambda
 * function, and SHA256SUMS. The handler of each is `index.handler`, the runtime nodejs24.x, any architecture.
 */
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FUNCTIONS } from './build/functions.ts';
import { zip } from './build/zip.ts';

const FOLDER = 'dist/lambda';
const OUTPUT = 'artifacts';
const LICENSES = ['LICENSE', 'THIRD-PARTY-LICENSES'];

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
rmSync(OUTPUT, { recursive: true, force: true });
mkdirSync(OUTPUT);
const sums = FUNCTIONS.map((name) => {
  const folder = join(FOLDER, name);
  const paths = globSync('**/*.{mjs,sql,html,js,css,svg}', { cwd: folder });
  const entries = [
    ...paths.map((path) => ({ path, content: readFileSync(join(folder, path)) })),
    ...LICENSES.map((path) => ({ path, content: readFileSync(path) })),
  ];
  const file = `pgtimewarp-${version}-lambda-${name}.zip`;
  const bytes = zip(entries);
  writeFileSync(join(OUTPUT, file), bytes);
  return `${createHash('sha256').update(bytes).digest('hex')}  ${file}\n`;
});
writeFileSync(join(OUTPUT, 'SHA256SUMS'), sums.join(''));
