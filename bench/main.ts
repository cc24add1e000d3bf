/**
 * `npm run bench [-- NAME…] [--quick] [--full] [--json] [--save]`: runs benchmarks on their own servers and prints each figure
 * beside its target. Exit code 1 only if a benchmark breaks, not if the machine is slow.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { createColors } from 'picocolors';
import { plainTable } from '../cli/render/plain-table.ts';
import { findLocalBinaries } from '../cli/servers/find-binaries.ts';
import { api } from './api.ts';
import { archive } from './archive.ts';
import { archiveKeys } from './archive-keys.ts';
import { asof, diffPages } from './asof.ts';
import { asofLive } from './asof-live.ts';
import { asofSql } from './asof-sql.ts';
import { asofTable } from './asof-table.ts';
import { backlog } from './backlog.ts';
import { baseline } from './baseline.ts';
import { cold } from './cold.ts';
import { type Benchmark, type Figure, isMet, SIZES, type Size } from './harness.ts';
import { history } from './history.ts';
import { hugeTransaction } from './huge-transaction.ts';
import { ingest } from './ingest.ts';
import { keepingUp } from './keeping-up.ts';
import { nodes } from './nodes.ts';
import { page } from './page.ts';
import { type Results, writePerformancePage } from './performance-page.ts';
import { quietRuns } from './quiet-runs.ts';
import { restore } from './restore.ts';
import { retention } from './retention.ts';
import { sharedClock } from './shared-clock.ts';
import { sourceCost } from './source-cost.ts';
import { space } from './space.ts';
import { unpin } from './support/pinned.ts';

const BENCHMARKS: readonly Benchmark[] = [
  ingest,
  keepingUp,
  quietRuns,
  sharedClock,
  nodes,
  sourceCost,
  baseline,
  cold,
  asof,
  asofSql,
  asofTable,
  asofLive,
  api,
  page,
  diffPages,
  history,
  space,
  restore,
  retention,
  archive,
  archiveKeys,
  hugeTransaction,
  backlog,
];
const RESULTS = new URL('./results.json', import.meta.url).pathname;
/** As wide as the figures need. */
const WIDE = { colors: createColors(false), width: 200 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
});
const size: Size = values.quick ? 'quick' : values.full ? 'full' : 'usual';
const chosen = BENCHMARKS.filter((bench) => positionals.length === 0 || positionals.includes(bench.name));
const unknown = positionals.filter((name) => !BENCHMARKS.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(
    `error: no benchmark ${unknown.join(', ')}\nremedy: ${BENCHMARKS.map((bench) => bench.name).join(', ')}`,
  );
  process.exit(2);
}

const results: Results = {
  machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
  versions: `Node ${process.versions.node}, PostgreSQL ${(await findLocalBinaries())[0]?.version ?? 'from npm'}`,
  benchmarks: [],
};
if (!values.json) console.log(`${results.machine}\n${results.versions}\n`);
for (const bench of chosen) {
  const start = performance.now();
  const figures = await bench.run(size, (line) => console.error(`${bench.name}: ${line}`));
  const seconds = Math.round((performance.now() - start) / 1000);
  await unpin();
  const date = new Date().toISOString().slice(0, 10);
  results.benchmarks.push({ name: bench.name, title: bench.title, size, date, seconds, figures });
  if (!values.json) print(bench, figures, seconds);
}
if (values.json) console.log(JSON.stringify(results, null, 2));
if (values.save) {
  const before = readResults();
  const kept = (before?.benchmarks ?? []).filter(
    (old) => old.size !== size || !chosen.some((bench) => bench.name === old.name),
  );
  const names = BENCHMARKS.map((bench) => bench.name);
  const benchmarks = [...kept, ...results.benchmarks].sort(
    (a, b) => names.indexOf(a.name) - names.indexOf(b.name) || SIZES.indexOf(a.size) - SIZES.indexOf(b.size),
  );
  const saved = { ...results, benchmarks };
  writeFileSync(RESULTS, `${JSON.stringify(saved, null, 2)}\n`);
  writePerformancePage(saved);
}

function print(bench: Benchmark, figures: readonly Figure[], seconds: number): void {
  const rows = figures.map((entry) => {
    const met = isMet(entry);
    return [
      entry.what,
      String(entry.value),
      entry.spread?.join(' – ') ?? '',
      entry.unit,
      entry.target ?? '',
      met === null ? '' : met ? 'met' : 'MISSED',
    ];
  });
  const table = plainTable([bench.title, 'median', 'spread', '', 'target', ''], rows, WIDE);
  console.log(`${table}\n${seconds} s\n`);
}

function readResults(): Results | null {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8')) as Results;
  } catch {
    return null;
  }
}
