/** Builds the page. The names of its assets have a hash of their content, so that browsers may keep them. */
import { globSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { bundledPackages, writeWhole } from './bundle.ts';

/** Writes the page into a folder. Returns the folders of the packages whose code is in it. */
export async function bundlePage(folder = 'dist/web'): Promise<string[]> {
  const { metafile, outputFiles } = await build({
    entryPoints: ['web/main.tsx', 'web/page.css'],
    outdir: `${folder}/assets`,
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome114', 'firefox115', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    metafile: true,
    write: false,
    legalComments: 'none', // THIRD-PARTY-LICENSES has them
    logLevel: 'warning',
  });
  const names = Object.keys(metafile.outputs).map((path) => basename(path));
  const named = (ending: string): string => `/assets/${names.find((name) => name.endsWith(ending))}`;
  const page = readFileSync('web/index.html', 'utf8')
    .replace('/main.tsx', named('.js'))
    .replace('/page.css', named('.css'));
  for (const { path, contents } of outputFiles) writeWhole(path, contents);
  writeWhole(join(folder, 'assets/icon.svg'), readFileSync('web/icon.svg'));
  writeWhole(join(folder, 'index.html'), Buffer.from(page));
  for (const name of globSync('{main,page}-????????.{js,css}', { cwd: join(folder, 'assets') }))
    if (!names.includes(name)) rmSync(join(folder, 'assets', name));
  return bundledPackages(metafile);
}
