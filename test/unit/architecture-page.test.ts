/** docs/architecture.md names every room, and every path that it names exists. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOMS } from '../../cli/dev/lint/rooms.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
const quoted = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!);

test.each(Object.keys(ROOMS))('the room %s has a line', (room) => {
  const [top] = room.split('/');
  const names = room.startsWith('core/') ? [room] : [room, `${room}/`, `${top}/`, `${room}/*.ts`];
  expect(quoted.filter((text) => names.includes(text))).not.toEqual([]);
});

test('every path that the page names exists', () => {
  const paths = quoted.filter((text) =>
    /^(core|cli|http|documents|lambda|infra|migrations|test|docs)\/[\w/.-]*$/.test(text),
  );
  expect(paths.length).toBeGreaterThan(30);
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
