/**
 * Finds SQL of the store in the wrong place. Migrations make tables, types and roles; every function and view has its own
 * file, `migrations/functions/ROOM/NAME.sql`. See docs/decisions/0029-functions-as-source.md.
 */
import { basename } from 'node:path';

const MAKES =
  /^CREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE|VIEW|TABLE|SEQUENCE|TYPE|DOMAIN|INDEX|ROLE) (?:pgtimewarp\.)?(\w+)/gm;

/** Functions take rows of this view, so it must be there before them. */
const VIEW_OF_A_MIGRATION = 'relation_periods';

/** @param files texts by path. @returns the violations, one line each */
export function wrongSqlFiles(files: ReadonlyMap<string, string>): string[] {
  const definitions = new Map<string, string>();
  return [...files].flatMap(([path, sql]) => {
    const made = madeBy(sql);
    if (!path.includes('/functions/')) return wrongInMigration(path, made);
    const twice = made.flatMap(({ what, name }) => {
      const first = definitions.get(`${what} ${name}`);
      definitions.set(`${what} ${name}`, path);
      return first === undefined ? [] : [`${path} makes ${name}, which ${first} makes`];
    });
    return [...twice, ...wrongInFunction(path, sql, made)];
  });
}

interface Made {
  readonly what: string;
  readonly name: string;
}

/** The objects that a file creates, without those inside function bodies. */
function madeBy(sql: string): Made[] {
  const outside = sql.replaceAll(/(\$\w*\$)[\s\S]*?\1/g, '');
  return [...outside.matchAll(MAKES)].map(([, what, name]) => ({ what: what!, name: name! }));
}

function wrongInMigration(path: string, made: readonly Made[]): string[] {
  return made
    .filter(({ what, name }) => /^(FUNCTION|PROCEDURE|VIEW)$/.test(what) && name !== VIEW_OF_A_MIGRATION)
    .map(
      ({ what, name }) =>
        `${path} makes the ${what.toLowerCase()} ${name}: move it into migrations/functions`,
    );
}

function wrongInFunction(path: string, sql: string, made: readonly Made[]): string[] {
  const [only, ...others] = made;
  if (only === undefined || others.length > 0) return [`${path} makes ${made.length} things instead of one`];
  const rights = only.what === 'VIEW' ? `GRANT SELECT ON pgtimewarp.${only.name}` : 'FROM PUBLIC;';
  return [
    ...(/^(FUNCTION|VIEW)$/.test(only.what)
      ? []
      : [`${path} makes a ${only.what.toLowerCase()}: move it into a migration`]),
    ...(only.name === basename(path, '.sql') ? [] : [`${path} makes ${only.name}: give the file its name`]),
    ...(/^-- \S/.test(sql) ? [] : [`${path} does not begin with a comment about what it makes`]),
    ...(sql.includes(rights) ? [] : [`${path} lacks the line about rights: ${rights}`]),
  ];
}
