/** One run in a process of its own: prints what it took without the start of the process, and its peak memory. */
import { boundHeap } from '../core/run/heap.ts';

boundHeap(); // before anything else is loaded, as the command line does it
const { poll } = await import('../core/poll.ts');
const [sourceUrl = '', storeUrl = '', node = ''] = process.argv.slice(2);
const start = performance.now();
const used = process.cpuUsage();
const result = await poll({ sourceUrl, storeUrl, node });
const ms = performance.now() - start;
const { user, system } = process.cpuUsage(used);
if (!result.caughtUp) throw new Error(`the run ended as ${result.outcome}`);
console.log(
  JSON.stringify({
    ms,
    processorMs: (user + system) / 1000,
    changes: result.changes,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  }),
);
