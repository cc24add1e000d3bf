/**
 * A pooler in transaction mode gives the transactions of one session to several server processes. Nothing is stored through a
 * process without our settings, and no lock is left. The test imitates the pooler by removing the mark of the session.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, resetSession } from '../../../core/pg/connection.ts';
import { pollWith } from '../../../core/poll.ts';
import { claimNode, releaseClaim } from '../../../core/store/node/claim.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

let node: TrackedNode;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE orders (id int PRIMARY KEY, total int)',
    track: ['orders'],
  });
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

const open = async () => ({
  source: await connect(node.sourceUrl, { side: 'source', node: node.node }),
  store: await connect(node.storeUrl, { side: 'store', node: node.node }),
});

/** Makes the session look like the process of another client of the pooler. */
const EXCHANGED = `SET pgtimewarp.session = 'of somebody else'`;

test.each(['source', 'store'] as const)(
  'a session of the %s whose process changed stores nothing',
  async (side) => {
    await node.source.query('INSERT INTO orders VALUES ($1, 1)', [side === 'source' ? 1 : 2]);
    const before = await node.store.query('SELECT count(*) FROM pgtimewarp.row_changes');
    const sessions = await open();
    try {
      await sessions[side].query(EXCHANGED);
      await expect(pollWith(sessions, { node: node.node })).rejects.toMatchObject({
        code: 'SESSION_CHANGED',
        facts: { side },
      });
      expect((await node.store.query('SELECT count(*) FROM pgtimewarp.row_changes')).rows).toEqual(
        before.rows,
      );
      await resetSession(sessions[side], side);
      expect((await pollWith(sessions, { node: node.node })).outcome).toBe('done');
    } finally {
      await sessions.source.end();
      await sessions.store.end();
    }
  },
);

test('a claim is released even if its lock stayed on another process', async () => {
  const [holder, later] = [await open(), await open()];
  try {
    const claim = await claimNode(holder.store, node.node, 60);
    expect(claim).not.toBeNull();
    await releaseClaim(later.store, claim!); // the release arrives at another process, as through a pooler
    const next = await claimNode(later.store, node.node, 60);
    expect(next).not.toBeNull();
    await releaseClaim(later.store, next!);
  } finally {
    for (const session of [holder.source, holder.store, later.source, later.store])
      await session.end().catch(() => undefined);
  }
});
