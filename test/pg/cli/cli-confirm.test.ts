/** A command that cannot be undone needs a confirmation: on a terminal it asks, elsewhere it needs --yes. */
import { spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 10);
  CREATE TABLE people (id int PRIMARY KEY)`;

const ASKING: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [['release-slot'], /Drops the slot pgtimewarp_\w+ .* keeps \d+ (bytes|kB) of WAL/],
  [['deinit', '--purge'], /Deletes the history of 2 tables \(\d+ kB\), for good/],
  [['deinit', '--purge', '--forget-source'], /without contacting the source.* Deletes/],
  [['rebaseline', '--node'], /reads 2 tables again. The history of these tables since 20.* is unknown/],
];

let node: TrackedNode;

beforeEach(async () => {
  node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders', 'people'] });
});

afterEach(async () => {
  await node?.[Symbol.asyncDispose]();
});

const cli = (...args: string[]) => runCli([...args, '--json'], { env: node.env });

/** State that every one of the commands would change. */
async function state(): Promise<unknown> {
  const { rows: slots } = await node.source.query(
    'SELECT slot_name, confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1',
    [node.slot],
  );
  const { rows: relations } = await node.store.query(
    `SELECT r.relation_id, r.status, n.status AS node_status, (SELECT count(*) FROM pgtimewarp.row_changes) AS changes
       FROM pgtimewarp.nodes AS n LEFT JOIN pgtimewarp.tracked_relations AS r USING (node_id) ORDER BY 1`,
  );
  return { slots, relations };
}

describe('without a terminal', () => {
  test.each(ASKING)('%j: refused, and prints what it would do', async (args, says) => {
    const before = await state();
    const refused = await cli(...args);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.json()).toMatchObject({
      error: {
        code: 'NOT_CONFIRMED',
        message: expect.stringMatching(says),
        remedy: expect.stringContaining('--yes'),
      },
    });
    const dry = await cli(...args, '--dry-run');
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    expect(dry.json()).toMatchObject({ node: node.node, dry_run: true, loses_nothing: false });
    expect((dry.json() as { would: string[] }).would.join(' ')).toMatch(says);
    expect((await cli(...args, '--dry-run', '--yes')).json()).toMatchObject({ dry_run: true });
    expect(await state()).toEqual(before);
  });

  test('with --yes it is done', async () => {
    expect((await cli('release-slot', '--yes')).json()).toMatchObject({ dropped: true });
    expect((await cli('rebaseline', '--node', node.node, '--yes')).json()).toMatchObject({ ended: [] });
    expect((await cli('deinit', '--purge', '--yes')).json()).toMatchObject({ purged: true });
  });

  test('if no history would be lost, it does not ask', async () => {
    await cli('release-slot', '--yes');
    expect(await cli('release-slot')).toMatchObject({ code: 0 }); // the slot is gone
    expect(await cli('rebaseline', '--node')).toMatchObject({ code: 0 }); // the node has a gap
    await node.source.query('ALTER TABLE orders REPLICA IDENTITY NOTHING');
    await node.poll();
    expect(await cli('rebaseline', '--node')).toMatchObject({ code: 2 }); // people has no gap
    await node.source.query('ALTER TABLE people REPLICA IDENTITY NOTHING');
    await node.poll();
    expect(await cli('rebaseline', '--node', '--dry-run')).toMatchObject({ code: 0 });
    expect((await cli('rebaseline', '--node', '--dry-run')).json()).toMatchObject({ loses_nothing: true });
    expect(await cli('rebaseline', '--node')).toMatchObject({ code: 0 }); // each command has its own
    expect(await cli('deinit')).toMatchObject({ code: 0 }); // the history stays
  });

  test('--dry-run also works for commands that do not ask', async () => {
    const before = await state();
    const untrack = (await cli('untrack', 'orders', '--purge', '--dry-run')).json();
    expect(untrack).toMatchObject({
      dry_run: true,
      bytes: expect.any(Number),
      would: [
        'Ends the tracking of public.orders.',
        expect.stringMatching(/^Deletes the history of 1 table \(\d+ kB\), for good\.$/),
      ],
    });
    expect((await cli('untrack', 'orders', '--dry-run')).json()).toMatchObject({ loses_nothing: true });
    expect((await cli('rebaseline', 'orders', '--dry-run')).json()).toMatchObject({
      would: ['Reads public.orders again.'],
    });
    expect((await cli('deinit', '--dry-run')).json()).toMatchObject({ loses_nothing: true });
    expect(await state()).toEqual(before);
  });
});

describe('on a terminal', () => {
  test.each([
    ['n', 2, 'was done'],
    ['', 2, 'was done'],
    ['\u0004', 2, 'was done'],
    ['y', 0, 'is dropped'],
    ['yes', 0, 'is dropped'],
  ] as const)('the answer %j ends with %d', async (answer, code, says) => {
    const before = await state();
    const result = await typed(['release-slot'], answer);
    expect(result).toMatchObject({ code, output: expect.stringContaining(says) });
    expect(result.output).toContain('Drops the slot');
    if (code !== 0) expect(await state()).toEqual(before);
  });
});

/** Runs a command in a pseudo-terminal and answers its question. */
function typed(
  args: readonly string[],
  answer: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const command = [process.execPath, 'cli/main.ts', ...args].join(' ');
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, ...node.env },
    });
    let output = '';
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      const asked = output.includes('[y/N]');
      output += text;
      if (!asked && output.includes('[y/N]')) terminal.stdin.write(`${answer}\n`);
    });
    terminal.on('error', reject);
    terminal.on('close', (code) => resolve({ code, output }));
  });
}
