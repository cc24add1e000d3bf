import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dumpSchema, SCHEMA_FILE } from '../../../cli/dev/schema-dump.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { describeNeeding } from '../../support/needs.ts';
import { testDatabases } from '../../support/test-databases.ts';

const { binaries } = await chooseServer();
const pgDump = join(binaries.binDir, 'pg_dump');

// The layout of a dump differs between major versions: version 15 made the committed file.
const pgDump15 = {
  what: 'pg_dump 15',
  met: binaries.version.startsWith('15.') && existsSync(pgDump),
  remedy: 'apt-get install postgresql-15',
};

describeNeeding(pgDump15, 'migrations/schema.sql', () => {
  test('equals what the migrations make (else: npm run schema:dump)', async () => {
    await using databases = await testDatabases();
    expect(await dumpSchema(pgDump, databases.storeUrl)).toBe(await readFile(SCHEMA_FILE, 'utf8'));
  });
});
