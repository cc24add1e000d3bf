/** docs/commands.md agrees with the code. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { COMMANDS_FILE, commandsPage } from '../../cli/dev/commands-page.ts';

test('docs/commands.md is what npm run docs:commands writes', async () => {
  expect(await readFile(COMMANDS_FILE, 'utf8')).toBe(await commandsPage());
});

test('it has every command, and every variable that the command line reads', async () => {
  const page = await commandsPage();
  const [commands, sources] = [globSync('cli/commands/*.ts'), globSync('cli/**/*.ts')];
  const names = await Promise.all(
    commands.map(async (path) => [.../\.command\('([\w-]+)/.exec(await readFile(path, 'utf8'))!][1]!),
  );
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) expect(page).toContain(`\n### ${name}\n`);
  const read = new Set<string>();
  for (const path of sources.filter(
    (each) => !each.startsWith('cli/dev/') && !each.startsWith('cli/servers/'),
  ))
    for (const [name] of (await readFile(path, 'utf8')).matchAll(/(?<=process\.env\.)\w+|PGTIMEWARP_\w+/g))
      read.add(name);
  read.delete('TERM'); // what the terminal says of itself
  for (const name of read) expect(page, name).toContain(`\`${name}\``);
});
