/** The project's own lint rules; `npm run lint` runs them and biome. Prints violations and then exits with 1. */
import { globSync, readFileSync } from 'node:fs';
import { wrongImports } from './imports.ts';
import { ROOMS } from './rooms.ts';
import { wrongSqlFiles } from './sql-files.ts';

function read(...patterns: string[]): Map<string, string> {
  const paths = globSync(patterns, { exclude: ['**/node_modules/**'] }).toSorted();
  return new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
}

const wrong = [
  ...wrongImports(read('{core,documents,http,lambda,cli,infra,web,bench}/**/*.{ts,tsx}'), ROOMS),
  ...wrongSqlFiles(read('migrations/*.do.*.sql', 'migrations/functions/*/*.sql')),
];
for (const line of wrong) console.error(line);
process.exitCode = wrong.length === 0 ? 0 : 1;
