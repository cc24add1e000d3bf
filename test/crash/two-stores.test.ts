/**
 * Two pollers of one node share the slot, each with its own store (the second is a copy of the first). One of them makes a
 * whole run while the other one is stopped at one of its calls. Afterwards every final answer of both stores is right or
 * unknown.
 */
import { afterAll, expect, test } from 'vitest';
import { createDatabase, databaseUrl, dropDatabase } from '../../cli/servers/databases.ts';
import { poll } from '../../core/poll.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { callProxy } from '../support/call-proxy.ts';
import { HuntedNode } from '../support/hunted-node.ts';
import { trackedAndChanged } from '../support/interrupted.ts';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { random } from '../support/retention-twins.ts';
import { serverInfo } from '../support/server-info.ts';
import { connectForTest } from '../support/test-client.ts';
import { testDatabases } from '../support/test-databases.ts';

type Side = 'source' | 'store';

/** About as many calls as a run makes. A trial beyond the last call has no fault. */
const CALLS = { source: 30, store: 34 };
const SAMPLE = 5;
const UNKNOWN_MAY = new Set(['before_tracking', 'in_gap', 'not final']);

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `two stores on one slot (${plugin})`, () => {
    const seed = Number(process.env.HUNT_SEED ?? 1);
    const pick = random(seed);
    const all = (['source', 'store'] as const).flatMap((side) =>
      Array.from({ length: CALLS[side] }, (_, index) => [side, index + 1] as const),
    );
    const points =
      process.env.HUNT_FULL === '1' ? all : Array.from({ length: SAMPLE }, () => all[pick(all.length)]!);
    const struck: boolean[] = [];

    afterAll(() => {
      console.log(
        `two stores, ${plugin}: ${struck.filter(Boolean).length} of ${points.length} points, seed ${seed}`,
      );
    });

    test.each(points)(
      'the other store runs at the %s call %d of a run',
      { timeout: 120_000 },
      async (side, at) => {
        const trial = await tryOut(plugin, side, at);
        struck.push(trial.isStruck);
        expect(trial.complaints, `HUNT_SEED=${seed}`).toEqual([]);
      },
    );
  });
}

async function tryOut(
  plugin: Plugin,
  side: Side,
  at: number,
): Promise<{ complaints: readonly string[]; isStruck: boolean }> {
  const { adminUrl } = serverInfo();
  await using databases = await testDatabases();
  const prepared = new HuntedNode(databases, plugin, 1);
  await trackedAndChanged(prepared);
  await databases.store.end(); // PostgreSQL copies a database only if no session is connected to it
  const copy = `${new URL(databases.storeUrl).pathname.slice(1)}_b`;
  await createDatabase(adminUrl, copy, copy.slice(0, -2));
  const storeOfB = await connectForTest(databaseUrl(adminUrl, copy));
  try {
    const a = prepared.inStore(databases.storeUrl, await databases.connect('store'));
    const b = prepared.inStore(databaseUrl(adminUrl, copy), storeOfB);
    const hers = side === 'source' ? a.urls.sourceUrl : a.urls.storeUrl;
    let isStruck = false;
    await using proxy = await callProxy(hers, {
      at,
      fault: async () => {
        isStruck = true;
        await a.change('UPDATE $t SET v = $$meanwhile$$ WHERE id = 1; DELETE FROM $t WHERE id = 4');
        await poll(b.urls);
        await a.change('UPDATE $t SET v = $$after it$$ WHERE id = 3');
      },
    });
    await poll({ ...a.urls, [`${side}Url`]: proxy.url });
    for (const each of [a, b]) await each.ask('after it');
    await a.change('INSERT INTO $t VALUES (4, $$again$$) ON CONFLICT (id) DO UPDATE SET v = excluded.v');
    for (const each of [b, a, b, a]) await poll(each.urls);
    for (const each of [a, b]) {
      await each.ask('in the end', UNKNOWN_MAY);
      await each.lookForLeaks();
    }
    return { complaints: [...a.complaints, ...b.complaints], isStruck };
  } finally {
    await storeOfB.end();
    await dropDatabase(adminUrl, copy);
  }
}
