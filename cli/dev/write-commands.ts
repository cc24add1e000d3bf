/** `npm run docs:commands`: writes docs/commands.md. */
import { writeFile } from 'node:fs/promises';
import { COMMANDS_FILE, commandsPage } from './commands-page.ts';

await writeFile(COMMANDS_FILE, await commandsPage());
