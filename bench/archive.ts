/**
 * What it costs to archive history: processor time of the archiver for each row, bytes in the bucket for each version, memory. The bucket
 * is SeaweedFS on the same machine; without it there are no figures.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { setArchive } from '../core/archive/change-archive.ts';
import { archiveTools } from '../test/support/archive-tools.ts';
import { startSeaweed } from '../test/support/seaweed.ts';
import { generateHistory, HISTORY_NODE, HISTORY_TABLE } from './generated-history.ts';
import { type Benchmark, benchServer, figure, type Size } from './harness.ts';

const VERSIONS: Readonly<Record<Size, number>> = { quick: 20_000, usual: 300_000, full: 10_000_000 };

interface ArchiveFigures {
  readonly rows: number;
  readonly ms: number;
  readonly writeCpuMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
}

export const archive: Benchmark = {
  name: 'archive',
  title: 'Archiving history of TPC-B accounts, 10 versions for each key',
  run: async (size, log) => {
    const tools = archiveTools();
    if (!tools.met) {
      log(`no figures without ${tools.what}: ${tools.remedy}`);
      return [];
    }
    await using databases = await benchServer();
    await using seaweed = await startSeaweed();
    const versions = VERSIONS[size];
    log(`generating ${versions} versions`);
    const store = await generateHistory(databases.storeUrl, { versions, keys: versions / 10 });
    try {
      // one unit: all but the last second
      const minRows = Math.floor(versions * 0.9);
      const where = { storeUrl: databases.storeUrl, node: HISTORY_NODE };
      await setArchive(where, HISTORY_TABLE, { hot: '1s', minRows, drops: false });
      const child = new URL('./archive-child.ts', import.meta.url).pathname;
      const env = { ...process.env, ...seaweed.env };
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [child, databases.storeUrl, HISTORY_NODE],
        {
          env,
        },
      );
      const done = JSON.parse(stdout) as ArchiveFigures;
      const { rows } = await store.query<{ bytes: string }>(
        'SELECT sum(bytes)::text AS bytes FROM pgtimewarp.archive_files',
      );
      return [
        figure(
          'rows for each second of the processor, written',
          [done.rows / (done.writeCpuMs / 1000)],
          'rows',
          {
            target: '≥ 60000',
            digits: 0,
          },
        ),
        figure('the same with reading back', [done.rows / (done.cpuMs / 1000)], 'rows', { digits: 0 }),
        figure('bytes in the bucket for each version', [Number(rows[0]!.bytes) / done.rows], 'B', {
          target: '≤ 40',
        }),
        figure('peak resident memory', [done.peakBytes / 1e6], 'MB', { target: '≤ 250', digits: 0 }),
        figure('time in all', [done.ms / 1000], 's'),
      ];
    } finally {
      await store.end();
    }
  },
};
