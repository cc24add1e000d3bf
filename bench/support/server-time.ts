/** The processor time of a server, from /proc. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchServer } from '../harness.ts';

/** Of /proc/…/stat, in hundredths of a second: of the process and of its children that have ended. */
const [FIRST_TIME, LAST_TIME] = [11, 14];

/** Of the server's processes so far, those of sessions that have ended included. */
export async function processorMs({ server }: BenchServer): Promise<number> {
  const file = await readFile(join(server.dataDir, 'postmaster.pid'), 'utf8');
  const stat = await readFile(`/proc/${file.split('\n')[0]}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(FIRST_TIME, LAST_TIME + 1).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}
