/** Archives all that is due, in a process of its own, whose processor time and memory are then known. */
import { boundHeap } from '../core/run/heap.ts';

boundHeap(); // before anything else is loaded, as the command line does it
const { archiveRun } = await import('../core/archive/archive-run.ts');
const { openArchive } = await import('../core/archive/archive-target.ts');
const [storeUrl, node] = process.argv.slice(2) as [string, string];
const target = openArchive({
  archiveUrl: process.env.PGTIMEWARP_ARCHIVE_URL!,
  catalogUrl: process.env.PGTIMEWARP_CATALOG_URL!,
  warehouse: process.env.PGTIMEWARP_CATALOG_WAREHOUSE!,
  signing: process.env.PGTIMEWARP_CATALOG_SIGNING!,
  token: null,
});
const before = process.cpuUsage();
const start = performance.now();
/** When the files were written, which is the larger part; reading back follows. */
let written = process.cpuUsage();
const { units, rows } = await archiveRun({
  storeUrl,
  node,
  target,
  onProgress: ({ state }) => {
    if (state === 'written') written = process.cpuUsage();
  },
});
const cpuMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;
process.stdout.write(
  JSON.stringify({
    units,
    rows: Number(rows),
    ms: performance.now() - start,
    writeCpuMs: cpuMs(written) - cpuMs(before),
    cpuMs: cpuMs(process.cpuUsage()) - cpuMs(before),
    peakBytes: process.resourceUsage().maxRSS * 1024,
  }),
);
