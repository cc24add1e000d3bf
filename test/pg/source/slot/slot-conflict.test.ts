/** Another program has made a slot of our name: we must not read its changes, and changes made meanwhile are lost. */
import { expect, test } from 'vitest';
import { pasteRemedy, troubles, verdicts } from '../../../support/doctored.ts';
import { type OwnSource, ownSource } from '../../../support/own-source.ts';
import { connectForTest, queryOnce } from '../../../support/test-client.ts';

interface Theirs {
  readonly what: string;
  /** Makes the slot if there is none. */
  readonly make: (node: OwnSource) => Promise<unknown>;
  /** The checks whose remedies mend it, in this order. */
  readonly mend: readonly string[];
}

const SLOTS: readonly Theirs[] = [
  {
    what: 'with two_phase',
    make: ({ slot, sql }) =>
      sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput', false, true)`),
    mend: ['slot_ours'],
  },
  {
    what: 'in another database',
    make: async ({ slot, server }) => {
      await server.createDatabase('another');
      await queryOnce(
        server.url('another'),
        `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`,
      );
    },
    mend: ['slot_ours'],
  },
  {
    what: 'that goes with its session',
    make: async ({ slot, urls }) => {
      const session = await connectForTest(urls.sourceUrl);
      session.on('error', () => undefined); // the remedy ends it
      await session.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput', true)`);
    },
    mend: ['slot_reader', 'slot_present'],
  },
];

test("a slot of our name that belongs to somebody else causes a gap, and doctor's remedy mends it", {
  timeout: 120_000,
}, async () => {
  await using node = await ownSource({ plugin: 'pgoutput' });
  for (const { what, make, mend } of SLOTS) {
    await node.sql(`SELECT pg_drop_replication_slot('${node.slot}')`);
    await make(node);
    expect(await node.poll(), what).toMatchObject({ outcome: 'gap' });
    expect((await node.gaps()).at(-1), what).toMatchObject({ code: 'SLOT_CONFLICT', to_ts: null });
    expect(verdicts(await troubles(node.urls)), what).toContain('fail slot_ours');
    for (const code of mend) await pasteRemedy(node.urls, await troubles(node.urls), code);
    expect(await troubles(node.urls), what).toEqual([]);
    await node.sql('UPDATE orders SET total = total + 1 WHERE id = 1');
    expect(await node.poll(), what).toMatchObject({ outcome: 'done', transactions: 1 });
  }
  expect(await node.state('1')).toBe('found 13');
});
