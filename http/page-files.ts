/** Reads the built page from its folder. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { extname, join, posix, sep } from 'node:path';
import type { PageFiles } from './page.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** All files, read once. Empty if the page has not been built: then there is the API alone. */
export function readPageFiles(folder: string): PageFiles {
  if (!existsSync(join(folder, 'index.html'))) return new Map();
  const names = globSync('**/*.*', { cwd: folder }).filter((name) => extname(name) in TYPES);
  return new Map(
    names.map((name) => [
      posix.join('/', name.replaceAll(sep, '/')),
      { text: readFileSync(join(folder, name), 'utf8'), type: TYPES[extname(name)]! },
    ]),
  );
}
