/** Makes the type declarations fit for the package: only those that an entry point needs, and imports that name the built files. */
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const IMPORTED = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)\.[jt]s['"]/g;

/** @param entries declarations that must stay, with all that they import */
export function pruneDeclarations(folder: string, entries: readonly string[]): void {
  const needed = new Set<string>();
  const open = [...entries];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (needed.has(file)) continue;
    if (!existsSync(file)) throw new Error(`The declaration ${file} is missing.`);
    needed.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, path] of text.matchAll(IMPORTED)) open.push(join(dirname(file), `${path}.d.ts`));
    // TypeScript leaves the extension of the source in declarations
    writeFileSync(
      file,
      text.replace(IMPORTED, (found) => found.replace(/\.ts(['"])$/, '.js$1')),
    );
  }
  for (const file of globSync(`${folder}/**/*.d.ts`)) if (!needed.has(file)) rmSync(file);
}
