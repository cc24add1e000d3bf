/** Where SQL of the store stands: tables in migrations, each function and each view in a file of its own. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';

const MIGRATIONS = join(import.meta.dirname, '../../migrations');
const FUNCTIONS = join(MIGRATIONS, 'functions');

const MAKES =
  /^CREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE|VIEW|TABLE|SEQUENCE|TYPE|DOMAIN|INDEX|ROLE) (?:pgtimewarp\.)?(\w+)/gm;

interface Made {
  readonly what: string;
  readonly name: string;
}

/** Apart from what stands inside bodies. */
function madeBy(sql: string): Made[] {
  const outside = sql.replaceAll(/(\$\w*\$)[\s\S]*?\1/g, '');
  return [...outside.matchAll(MAKES)].map(([, what, name]) => ({ what: what!, name: name! }));
}

const migrations = readdirSync(MIGRATIONS).filter((name) => name.includes('.do.'));
const functions = readdirSync(FUNCTIONS).flatMap((room) =>
  readdirSync(join(FUNCTIONS, room)).map((name) => join(room, name)),
);

test.each(migrations)('%s makes no function, and no view but the one that functions take rows of', (file) => {
  const made = madeBy(readFileSync(join(MIGRATIONS, file), 'utf8'));
  const wrong = made.filter(({ what }) => ['FUNCTION', 'PROCEDURE', 'VIEW'].includes(what));
  expect(wrong.filter(({ name }) => name !== 'relation_periods')).toEqual([]);
});

test.each(functions)(
  '%s says what it makes, and makes one function or view, its own, with its rights',
  (file) => {
    const sql = readFileSync(join(FUNCTIONS, file), 'utf8');
    const made = madeBy(sql);
    expect(made).toHaveLength(1);
    expect(made[0]!.name).toBe(basename(file, '.sql'));
    expect(made[0]!.what).toMatch(/^(FUNCTION|VIEW)$/);
    expect(sql).toMatch(/^-- \S/);
    expect(sql).toContain(
      made[0]!.what === 'VIEW' ? `GRANT SELECT ON pgtimewarp.${made[0]!.name}` : 'FROM PUBLIC;',
    );
  },
);

test('a function has one definition', () => {
  const names = functions
    .flatMap((file) => madeBy(readFileSync(join(FUNCTIONS, file), 'utf8')))
    .map(({ what, name }) => `${what} ${name}`);
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
});

test('what is looked for is found', () => {
  expect(
    madeBy(
      'CREATE TABLE pgtimewarp.a (b int);\nCREATE OR REPLACE FUNCTION pgtimewarp.c() $x$\nCREATE TABLE d\n$x$;',
    ),
  ).toEqual([
    { what: 'TABLE', name: 'a' },
    { what: 'FUNCTION', name: 'c' },
  ]);
});
