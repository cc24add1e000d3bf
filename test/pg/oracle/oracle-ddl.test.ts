/**
 * Random DDL, maintenance, rights and settings between random runs, through both plugins, on the server of this run and on
 * PostgreSQL 18. After each run, every key of the table and of its history equals the table as of now, or is unknown. Earlier
 * final answers stay the same. The server never refuses a statement of the application because of us.
 *
 * HUNT_SEED repeats sequences, HUNT_SEQUENCES makes the hunt longer, HUNT_STEPS a sequence; HUNT_SERVER is `run` or `newest`,
 * for one of the servers only.
 */
import { expect, test } from 'vitest';
import { findEmbeddedBinaries } from '../../../cli/servers/find-binaries.ts';
import { startServer } from '../../../cli/servers/start-server.ts';
import { openGround } from '../../support/hunt/ground.ts';
import type { Hunt } from '../../support/hunt/hunt.ts';
import { runHunts } from '../../support/hunt/run-hunts.ts';

/** The number of sequences that share their runs. */
const TOGETHER = 20;
const STEPS = numberFrom('HUNT_STEPS', 12);
const WITH_TOO_MANY_WRONG = 5;

const SERVERS = [
  { server: 'run', sequences: numberFrom('HUNT_SEQUENCES', 80), newest: false },
  { server: 'newest', sequences: numberFrom('HUNT_SEQUENCES', 20), newest: true },
].filter(({ server }) => (process.env.HUNT_SERVER ?? server) === server);

for (const { server, sequences, newest } of SERVERS) {
  const first = numberFrom('HUNT_SEED', 1);
  test(`${sequences} sequences on the server "${server}": no answer is wrong (HUNT_SEED=${first})`, {
    timeout: 60_000 + sequences * 10_000,
  }, async ({ skip }) => {
    const binaries = newest ? (await findEmbeddedBinaries())[0] : undefined;
    if (newest && binaries === undefined) return skip('missing: PostgreSQL 18 (npm install)');
    await using own = binaries === undefined ? null : await startServer({ binaries });
    await using ground = await openGround(own);
    const wrong: string[] = [];
    const hunted: Hunt[] = [];
    for (let at = first; at < first + sequences && wrong.length < WITH_TOO_MANY_WRONG; at += TOGETHER) {
      const seeds = Array.from({ length: Math.min(TOGETHER, first + sequences - at) }, (_, i) => at + i);
      const hunts = await runHunts(ground, { seeds, steps: STEPS });
      hunted.push(...hunts);
      for (const hunt of hunts.filter((each) => each.wrong.length > 0)) {
        wrong.push(
          `${repeat(server, seeds)}, in it ${hunt.seed}: ${hunt.wrong.slice(0, 3).join('; ')}\n  ${hunt.said.join('\n  ')}`,
        );
        console.log(wrong.at(-1));
      }
    }
    const sum = (of: (hunt: Hunt) => number): number => hunted.reduce((total, hunt) => total + of(hunt), 0);
    const [compared, unknown] = [sum((hunt) => hunt.compared), sum((hunt) => hunt.unknown)];
    console.log(
      `hunt over DDL on ${ground.serverVersion}: seeds ${first} to ${first + hunted.length - 1}, ${compared} answers compared, ` +
        `${unknown} unknown, ${wrong.length} wrong, ${sum((hunt) => hunt.refused)} writes refused, ${sum((hunt) => hunt.unmended)} tables not whole at the end`,
    );
    if (process.env.HUNT_FORMS === '1')
      console.log(`done: ${JSON.stringify([...new Set(hunted.flatMap((hunt) => [...hunt.done]))].sort())}`);
    expect(wrong).toEqual([]);
    // a hunt in which almost nothing is known would find nothing; how much is unknown depends on the seeds
    expect(hunted.filter((hunt) => hunt.compared > 0).length).toBeGreaterThan(hunted.length / 2);
  });
}

function repeat(server: string, seeds: readonly number[]): string {
  return `HUNT_SERVER=${server} HUNT_SEED=${seeds[0]} HUNT_SEQUENCES=${seeds.length}`;
}

function numberFrom(name: string, otherwise: number): number {
  return Number.parseInt(process.env[name] ?? String(otherwise), 10);
}
