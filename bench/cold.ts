/**
 * What one command costs from its start to its end: `--version`, and `asof` on a store that is warm. It runs the bundle in dist/, as the
 * package has it, in turns with `psql -c` of the same question and with an empty program of Node.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { poll } from '../core/poll.ts';
import { init } from '../core/setup/init.ts';
import { track } from '../core/track.ts';
import { type Benchmark, benchServer, figure, type Size, timeMs } from './harness.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMMAND = join(ROOT, 'dist/cli/main.js');
const PAIRS: Readonly<Record<Size, number>> = { quick: 2, usual: 15, full: 50 };
const NODE = 'cold';
/** The question of `asof`: the same function of the store, once for one key. */
const QUESTION = `SELECT a.status, a.reason, a.final::text, a.answer
  FROM pgtimewarp.asof_each('${NODE}', 'public', 'orders', ARRAY['"1"']::jsonb[], ARRAY[NULL]::timestamptz[], ARRAY[NULL]::pg_lsn[], ARRAY[NULL]::text[]) AS a`;

export const cold: Benchmark = {
  name: 'cold',
  title: 'A command from its start to its end, beside psql',
  run: async (size, log) => {
    log('npm run build');
    await run('npm', ['run', '-s', 'build'], { cwd: ROOT });
    await using source = await benchServer();
    await using store = await benchServer();
    const cache = await mkdtemp(join(tmpdir(), 'pgtimewarp-cold-'));
    const urls = { sourceUrl: source.sourceUrl, storeUrl: store.storeUrl, node: NODE };
    await source.psql(urls.sourceUrl, 'CREATE TABLE orders (id int PRIMARY KEY, total numeric)');
    await source.psql(urls.sourceUrl, 'INSERT INTO orders SELECT i, i FROM generate_series(1, 1000) AS i');
    await init({ ...urls, plugin: 'pgoutput', slotName: null, version: 'bench' });
    const table = { schema: 'public', name: 'orders' };
    await track({ ...urls, table, baseline: true, exclude: [], retention: null });
    await poll(urls);

    const node = (...args: string[]): Promise<number> =>
      timeMs(() => run(process.execPath, args, { env: { ...process.env, XDG_CACHE_HOME: cache } }));
    const asof = (): Promise<number> =>
      node(COMMAND, 'asof', 'orders', '--pk', '1', '--store', urls.storeUrl, '--node', NODE);
    const times = {
      empty: [] as number[],
      version: [] as number[],
      asof: [] as number[],
      psql: [] as number[],
    };
    await node(COMMAND, '--version'); // fills the cache of compiled code
    await asof();
    log('measuring');
    for (let pair = 0; pair < PAIRS[size]; pair++) {
      times.empty.push(await node('-e', '0'));
      times.version.push(await node(COMMAND, '--version'));
      times.psql.push(await timeMs(() => store.psql(urls.storeUrl, QUESTION)));
      times.asof.push(await asof());
    }
    await rm(cache, { recursive: true, force: true });
    const ratio = (of: readonly number[], to: readonly number[]): number[] =>
      of.map((ms, at) => ms / to[at]!);
    return [
      figure('node -e 0', times.empty, 'ms', { digits: 0 }),
      figure('pgtimewarp --version', times.version, 'ms', { digits: 0, target: '≤ 100' }),
      figure('--version / node -e 0', ratio(times.version, times.empty), ''),
      figure('psql -c of the question', times.psql, 'ms', { digits: 0 }),
      figure('pgtimewarp asof', times.asof, 'ms', { digits: 0, target: '≤ 250' }),
      figure('asof / psql', ratio(times.asof, times.psql), ''),
    ];
  },
};
