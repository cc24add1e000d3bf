/** The zip files of a release, read by a program that is not ours. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { zip } from '../../cli/dev/build/zip.ts';
import { BUSYBOX, busybox, describeNeeding } from '../support/needs.ts';
import { runTool } from '../support/run-tool.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgtimewarp-zip-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ENTRIES = [
  { path: 'migrations/functions/ä/é.sql', content: Buffer.from('SELECT 1;\n'.repeat(50_000)) },
  { path: 'index.mjs', content: Buffer.from([0, 255, 10, 13, 26]) },
  { path: 'empty', content: Buffer.alloc(0) },
];

test('the same entries give the same bytes, in whatever order', () => {
  expect(zip(ENTRIES.toReversed())).toEqual(zip(ENTRIES));
});

describeNeeding(busybox(), 'with the unzip of BusyBox', () => {
  test('every file comes out as it was, and everybody may read it', async () => {
    writeFileSync(join(folder, 'a.zip'), zip(ENTRIES));
    const options = { cwd: folder, timeoutMs: 30_000 };
    const { code, stderr } = await runTool(BUSYBOX, ['unzip', '-o', 'a.zip', '-d', 'out'], options);
    expect(code, stderr).toBe(0);
    for (const { path, content } of ENTRIES) expect(readFileSync(join(folder, 'out', path))).toEqual(content);
    expect(statSync(join(folder, 'out/index.mjs')).mode & 0o444).toBe(0o444);
  });
});
