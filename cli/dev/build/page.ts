/** Builds the page into dist/web. The names of its assets have a hash of their content, so that browsers may keep them. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { bundledPackages } from './bundle.ts';

const TARGET = 'dist/web';

/** Returns the folders of the packages whose code is in the page. */
export async function bundlePage(): Promise<string[]> {
  rmSync(TARGET, { recursive: true, force: true });
  const { metafile } = await build({
    entryPoints: ['web/main.tsx', 'web/page.css'],
    outdir: `${TARGET}/assets`,
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome114', 'firefox115', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    metafile: true,
    legalComments: 'none', // THIRD-PARTY-LICENSES has them
    logLevel: 'warning',
  });
  const names = Object.keys(metafile.outputs).map((path) => basename(path));
  const named = (ending: string): string => `/assets/${names.find((name) => name.endsWith(ending))}`;
  const page = readFileSync('web/index.html', 'utf8')
    .replace('/main.tsx', named('.js'))
    .replace('/page.css', named('.css'));
  mkdirSync(`${TARGET}/assets`, { recursive: true });
  writeFileSync(`${TARGET}/index.html`, page);
  cpSync('web/icon.svg', `${TARGET}/assets/icon.svg`);
  return bundledPackages(metafile);
}
