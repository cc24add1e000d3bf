/** The project's own lint rules find the mistakes that they are for. `npm run lint` checks the project with them. */
import { expect, test } from 'vitest';
import { wrongImports } from '../../cli/dev/lint/imports.ts';
import { wrongSqlFiles } from '../../cli/dev/lint/sql-files.ts';

const ROOMS = { low: [], 'low/inner': [], middle: ['low', 'high/alone.ts'], high: ['low', 'middle'] };
const HARMLESS = { low: [], middle: ['low'], high: ['low', 'middle'] };

function imports(files: Record<string, string>, rooms: Record<string, readonly string[]> = HARMLESS) {
  return wrongImports(new Map(Object.entries(files)), rooms);
}

test('imports down the list are allowed, and files outside all rooms may import everything', () => {
  expect(
    imports({
      'high/a.ts': "import { b } from '../middle/b.ts'; import { c } from './c.ts';",
      'high/c.ts': "import type pg from 'pg';",
      'middle/b.ts': "export { d } from '../low/d.ts';",
      'bench/e.ts': "import '../high/a.ts';",
    }),
  ).toEqual([]);
});

test.each([
  ["import { b } from '../high/b.ts';"],
  ["import type { b } from '../high/b.ts';"],
  ["import { type b } from '../high/b.ts';"],
  ["import '../high/b.ts';"],
  ["export { b } from '../high/b.ts';"],
  ["export * from '../high/b.ts';"],
  ["const b = await import('../high/b.ts');"],
  ["import { b } from '../unknown/b.ts';"],
])('an import against the direction is found: %s', (text) => {
  expect(imports({ 'low/a.ts': text })).toEqual([
    expect.stringMatching(/^low\/a\.ts imports .*: low may not import/),
  ]);
});

test('a room inside a room is a room of its own', () => {
  const rooms = { low: [], 'low/inner': [] };
  expect(imports({ 'low/inner/a.ts': "import '../b.ts';" }, rooms)).toHaveLength(1);
  expect(imports({ 'low/a.ts': "import './inner/b.ts';" }, rooms)).toHaveLength(1);
});

test('a line that names a room below it is found, because that would allow circles of rooms', () => {
  expect(imports({}, ROOMS)).toEqual(['middle names high/alone.ts, which is not a room of a line above it']);
});

test('files that import each other are found, also for types only', () => {
  expect(
    imports({
      'low/a.ts': "import type { B } from './b.ts';",
      'low/b.ts': "import type { C } from './c.ts';",
      'low/c.ts': "import type { A } from './a.ts';",
      'low/d.ts': "import type { A } from './a.ts';",
    }),
  ).toEqual(['files import each other: low/a.ts -> low/b.ts -> low/c.ts -> low/a.ts']);
});

const FUNCTION =
  '-- One.\nCREATE FUNCTION pgtimewarp.one() $x$\nCREATE TABLE inside\n$x$;\nREVOKE ALL ON FUNCTION x FROM PUBLIC;';

function sqlFiles(files: Record<string, string>) {
  return wrongSqlFiles(new Map(Object.entries(files)));
}

test('tables in a migration, and a function in its own file, are allowed', () => {
  expect(
    sqlFiles({
      'migrations/0001.do.x.sql': 'CREATE TABLE pgtimewarp.a (b int);',
      'migrations/functions/room/one.sql': FUNCTION,
    }),
  ).toEqual([]);
});

test.each([
  ['migrations/0001.do.x.sql', 'CREATE FUNCTION pgtimewarp.b() …', /makes the function b/],
  ['migrations/0001.do.x.sql', 'CREATE OR REPLACE FUNCTION pgtimewarp.b() …', /makes the function b/],
  ['migrations/0001.do.x.sql', 'CREATE VIEW pgtimewarp.b AS …', /makes the view b/],
  ['migrations/functions/room/two.sql', FUNCTION, /makes one: give the file its name/],
  ['migrations/functions/room/one.sql', FUNCTION.replace('-- One.\n', ''), /begin with a comment/],
  ['migrations/functions/room/one.sql', FUNCTION.replace('FROM PUBLIC', ''), /lacks the line about rights/],
  ['migrations/functions/room/one.sql', `${FUNCTION}\nCREATE TABLE pgtimewarp.t ();`, /makes 2 things/],
  ['migrations/functions/room/t.sql', '-- T.\nCREATE TABLE pgtimewarp.t (); FROM PUBLIC;', /makes a table/],
])('%s: %s is found', (path, text, says) => {
  expect(sqlFiles({ [path]: text })).toEqual([expect.stringMatching(says)]);
});

test('a function with two definitions is found', () => {
  expect(
    sqlFiles({ 'migrations/functions/a/one.sql': FUNCTION, 'migrations/functions/b/one.sql': FUNCTION }),
  ).toEqual(['migrations/functions/b/one.sql makes one, which migrations/functions/a/one.sql makes']);
});
