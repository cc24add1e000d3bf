/** `npm run docs:operations`: writes docs/operations.md. */
import { writeFile } from 'node:fs/promises';
import { OPERATIONS_FILE, operationsPage } from './operations-page.ts';

await writeFile(OPERATIONS_FILE, await operationsPage());
