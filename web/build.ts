/** Builds the page into dist/web: `npm run build`. The names of the assets have a hash of their content. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;
const target = join(here, '../dist/web');
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const { metafile } = await build({
  entryPoints: [join(here, 'main.tsx'), join(here, 'page.css')],
  outdir: join(target, 'assets'),
  entryNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome114', 'firefox115', 'safari16.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  metafile: true,
  legalComments: 'eof',
});
const names = Object.keys(metafile.outputs).map((path) => basename(path));
const named = (ending: string): string => `/assets/${names.find((name) => name.endsWith(ending))}`;
const page = readFileSync(join(here, 'index.html'), 'utf8')
  .replace('/main.tsx', named('.js'))
  .replace('/page.css', named('.css'));
writeFileSync(join(target, 'index.html'), page);
writeFileSync(join(target, 'assets/icon.svg'), readFileSync(join(here, 'icon.svg')));
