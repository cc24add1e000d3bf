/** One run in a process of its own: prints what it took without the start of the process, and its peak memory. */
import { poll } from '../core/poll.ts';
import { boundHeapGrowth } from '../core/run/heap-growth.ts';

const [sourceUrl = '', storeUrl = '', node = ''] = process.argv.slice(2);
boundHeapGrowth();
const start = performance.now();
const result = await poll({ sourceUrl, storeUrl, node });
const ms = performance.now() - start;
if (!result.caughtUp) throw new Error(`the run ended as ${result.outcome}`);
console.log(
  JSON.stringify({ ms, changes: result.changes, peakBytes: process.resourceUsage().maxRSS * 1024 }),
);
