/** Writes http/openapi.json, the document that the API serves: `npm run openapi`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildOpenApi } from '../openapi.ts';

const root = join(import.meta.dirname, '../..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
writeFileSync(join(root, 'http/openapi.json'), `${JSON.stringify(buildOpenApi(version), null, 2)}\n`);
