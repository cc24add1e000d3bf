/** Removes the type declarations that no entry point of the package needs. */
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const IMPORTED = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.js['"]/g;

/** @param entries declarations that must stay, with all that they import */
export function pruneDeclarations(folder: string, entries: readonly string[]): void {
  const needed = new Set<string>();
  const open = [...entries];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (needed.has(file)) continue;
    if (!existsSync(file)) throw new Error(`The declaration ${file} is missing.`);
    needed.add(file);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(IMPORTED)) {
      open.push(join(dirname(file), `${path}.d.ts`));
    }
  }
  for (const file of globSync(`${folder}/**/*.d.ts`)) if (!needed.has(file)) rmSync(file);
}
