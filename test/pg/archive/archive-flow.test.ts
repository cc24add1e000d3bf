/** History in the archive is the history of the store: counted and asked as of instants by DuckDB and pyiceberg. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveRun } from '../../../core/archive/archive-run.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import {
  archivedNode,
  asOfInStore,
  judge,
  openTestArchive,
  PLAIN,
  setArchiveOf,
} from '../../support/archive-world.ts';
import { runCommand } from '../../support/command.ts';
import { describeNeeding } from '../../support/needs.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';

describeNeeding(archiveTools(), 'the archive', () => {
  let seaweed: Seaweed;
  beforeAll(async () => {
    seaweed = await startSeaweed();
    for (const [name, value] of Object.entries(seaweed.env)) process.env[name] = value;
  });
  afterAll(async () => {
    await seaweed?.[Symbol.asyncDispose]();
  });

  test('a table is archived, verified, and read by others as the store reads it', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    const instants = await node.write();
    await setArchiveOf(node, 'things');
    const result = await archiveRun({ ...node, target: openTestArchive() });
    expect(result.outcome).toBe('done');
    expect(result.units).toBeGreaterThan(2);
    const { stdout: shown } = await runCommand(['archive', 'show', '--json'], node);
    expect(JSON.parse(shown)).toMatchObject({
      tables: [{ table: 'public.things', rows: result.rows.toString(), units: { verified: result.units } }],
    });
    const { code } = await runCommand(['archive', 'verify', '--json'], node);
    expect(code).toBe(0);
    expect(instants.length).toBeGreaterThan(5);
    const judged = await judge(seaweed, node, instants);
    expect(judged.all.length).toBe(Number(result.rows));
    for (const [index, at] of instants.entries())
      expect(judged.asOf[index], at).toEqual(await asOfInStore(node, at));
  }, 240_000);
});
