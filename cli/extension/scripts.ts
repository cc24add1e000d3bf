/**
 * The SQL of the extension, read from `extension/`. All methods of installation use this text. The first file creates a version;
 * each later file leads from one version to the next.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { quoteIdentifier } from '../../core/pg/identifiers.ts';

export interface ExtensionScript {
  /** The version before; null for the first file. */
  readonly from: string | null;
  readonly to: string;
  /** As CREATE EXTENSION reads it, without psql's commands; `@extschema@` stands for the schema of the functions. */
  readonly sql: string;
}

const NAME = /^pgtimewarp--(?:([\d.]+)--)?([\d.]+)\.sql$/;

/** All scripts, in the order in which they build on one another. */
export function extensionScripts(folder = extensionFolder()): ExtensionScript[] {
  const found = readdirSync(folder).flatMap((file) => {
    const match = NAME.exec(file);
    const sql = match && readFileSync(join(folder, file), 'utf8').replace(/^\\.*$/gm, '');
    return match === null ? [] : [{ from: match[1] ?? null, to: match[2]!, sql: sql! }];
  });
  return scriptsAfter(found, null);
}

/** The scripts that lead from a version (null: from nothing) to the newest. */
export function scriptsAfter(scripts: readonly ExtensionScript[], version: string | null): ExtensionScript[] {
  const next = scripts.find(({ from }) => from === version);
  return next === undefined ? [] : [next, ...scriptsAfter(scripts, next.to)];
}

/** The script for a database without CREATE EXTENSION: its functions in `schema`. */
export function plainSql(script: ExtensionScript, schema: string): string {
  return script.sql.replaceAll('@extschema@', quoteIdentifier(schema));
}

/** The script that removes a plain installation of any version. */
export function plainRemovalSql(folder = extensionFolder()): string {
  return readFileSync(join(folder, 'remove-plain.sql'), 'utf8');
}

/**
 * The statements that register the extension with pg_tle, which stores it in the database for CREATE EXTENSION.
 * Each statement is complete in itself.
 */
export function tleStatements(scripts: readonly ExtensionScript[]): string[] {
  const [first, ...updates] = scripts;
  if (first === undefined) throw new TimewarpError('INTERNAL', 'The extension has no script.');
  return [
    `SELECT pgtle.install_extension('pgtimewarp', '${first.to}', 'time travel for rows of tracked tables', ` +
      `${dollarQuote(first.sql)}, ARRAY['postgres_fdw']);`,
    ...updates.map(({ from, to, sql }) => tleUpdateStatement(from!, to, sql)),
    `SELECT pgtle.set_default_version('pgtimewarp', '${newestVersion(scripts)}');`,
  ];
}

export function tleUpdateStatement(from: string, to: string, sql: string): string {
  return `SELECT pgtle.install_update_path('pgtimewarp', '${from}', '${to}', ${dollarQuote(sql)});`;
}

export function newestVersion(scripts: readonly ExtensionScript[]): string {
  return scripts.at(-1)!.to;
}

function dollarQuote(sql: string): string {
  let tag = '$pgtimewarp$';
  for (let i = 1; sql.includes(tag); i++) tag = `$pgtimewarp${i}$`;
  return `${tag}${sql}${tag}`;
}

/** `extension/` lies two folders up, in a checkout (cli/extension) and in the package (dist/chunks). */
function extensionFolder(): string {
  const folder = join(import.meta.dirname, '../../extension');
  if (existsSync(join(folder, 'pgtimewarp.control'))) return folder;
  throw new TimewarpError('INTERNAL', 'The folder extension/ is missing.');
}
