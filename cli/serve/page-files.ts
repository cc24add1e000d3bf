/** Finds the built page: in the package, and in a checkout after `npm run build`. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { extname, join, posix, sep } from 'node:path';
import type { PageFiles } from '../../http/page.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** All files, read once. Empty if the page has not been built: then `serve` has the API alone. */
export function readPageFiles(): PageFiles {
  const root = join(import.meta.dirname, '../../dist/web'); // the bundle is as deep in the package as this file in the sources
  if (!existsSync(join(root, 'index.html'))) return new Map();
  const names = globSync('**/*.*', { cwd: root }).filter((name) => extname(name) in TYPES);
  return new Map(
    names.map((name) => [
      posix.join('/', name.replaceAll(sep, '/')),
      { text: readFileSync(join(root, name), 'utf8'), type: TYPES[extname(name)]! },
    ]),
  );
}
