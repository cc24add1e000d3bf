/** The states of a table: docs/architecture.md draws the transitions of the code, and only one folder makes them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TRANSITIONS } from '../../core/store/tables/state.ts';

const ROOT = join(import.meta.dirname, '../..');
const ROOM = 'core/store/tables';
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const filesUnder = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|sql)$/.test(name))
    .map((name) => `${folder}/${name}`);

const room = filesUnder(ROOM).map(read).join('\n');
const names = TRANSITIONS.flatMap(([, , by]) => by.split(', '));

test('the diagram has the transitions of the code', () => {
  const diagram = /```mermaid\nstateDiagram-v2\n(.*?)```/s.exec(read('docs/architecture.md'))![1]!;
  const drawn = [...diagram.matchAll(/^ *(\S+) --> (\S+): (.+)$/gm)].map(([, from, to, by]) => [
    from,
    to,
    by,
  ]);
  expect(drawn.sort()).toEqual([...TRANSITIONS].map((each) => [...each]).sort());
});

test('every state has a transition that sets it, and its comment names what sets it', () => {
  const states = [
    ...room.matchAll(
      /\/\*\*((?:(?!\*\/).)*)\*\/\nexport interface \w+(?: extends GapBase)? \{\n {2}readonly kind: '(\w+)';/gs,
    ),
  ];
  expect(states).toHaveLength(10);
  for (const [, comment, kind] of states) {
    const ways = TRANSITIONS.filter(([, to]) => to === kind).flatMap(([, , by]) => by.split(', '));
    expect(ways, kind).not.toEqual([]);
    for (const by of ways) expect(comment, kind).toContain(`\`${by}\``);
  }
});

test('every transition is a function in the folder', () => {
  for (const name of names) expect(room).toMatch(new RegExp(`function ${name}\\(`));
});

test('a function that writes a column of the state is a transition, or does not change the state', () => {
  const staysWithin = ['writeStartConditions', 'noteReadFailure'];
  const columns = /\b(status|baseline_state|baseline_progress|baseline_lsn|repair|start_conditions) = /;
  const functions = room.split(/^(?=export (?:async )?function )/m).slice(1);
  const writers = functions
    .filter((text) =>
      [...text.matchAll(/UPDATE pgtimewarp\.tracked_relations\b[^`]*/g)].some(([sql]) =>
        columns.test(sql.split('WHERE')[0]!),
      ),
    )
    .map((text) => /function (\w+)/.exec(text)![1]!);
  expect(writers.length).toBeGreaterThan(10);
  expect(writers.filter((name) => ![...names, ...staysWithin].includes(name))).toEqual([]);
});

test('no other code writes tracked_relations', () => {
  const writes = /\b(UPDATE|INSERT INTO|DELETE FROM)\s+(pgtimewarp\.)?tracked_relations\b/i;
  const others = ['core', 'documents', 'http', 'cli', 'lambda', 'migrations/functions']
    .flatMap(filesUnder)
    .filter((path) => !path.startsWith(`${ROOM}/`));
  expect(others.length).toBeGreaterThan(200);
  expect(others.filter((path) => writes.test(read(path)))).toEqual([]);
});
