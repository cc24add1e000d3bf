/**
 * Whether times agree, against the definition: every own entry is compared with every point of each other node that has defined
 * something since. Random maps of three nodes on a real store; AGREEMENT_SEED repeats them, AGREEMENT_MAPS is their number.
 */
import { expect, test } from 'vitest';
import type { StoreTransaction } from '../../../core/pg/transaction.ts';
import { init } from '../../../core/setup/init.ts';
import { ClockMoved, requireAgreement } from '../../../core/store/node/agreement.ts';
import { claimNode } from '../../../core/store/node/claim.ts';
import { type CommitTime, formatCommitTime } from '../../../core/types/commit-time.ts';
import { formatLsn, type Lsn } from '../../../core/types/lsn.ts';
import { randomOf } from '../../support/hunt/random.ts';
import { testDatabases } from '../../support/test-databases.ts';

const SEED = Number.parseInt(process.env.AGREEMENT_SEED ?? '1', 10);
const MAPS = Number.parseInt(process.env.AGREEMENT_MAPS ?? '150', 10);
/** Of the claim; positions and times of the maps are offsets from them. */
const SPAN = 12;

interface Entry {
  readonly lsn: number;
  readonly ts: number;
  /** null: a horizon. */
  readonly xid: number | null;
}

interface Other {
  readonly entries: readonly Entry[];
  readonly applied: Entry;
  readonly isKnown: boolean;
}

/** In the order of positions, with times that never decrease; later than a horizon. */
function randomMap(random: (below: number) => number, from: number): Entry[] {
  const entries: Entry[] = [];
  let [lsn, ts] = [from, from];
  for (let count = random(6); count > 0; count--) {
    lsn += 1 + random(4);
    const before = entries.at(-1);
    ts += before?.xid === null ? 1 + random(3) : random(4);
    // one xid for each position, as in a log, but sometimes that of a forked one
    entries.push({ lsn, ts, xid: random(5) === 0 ? null : random(12) === 0 ? lsn + 1000 : lsn });
  }
  return entries;
}

/** The definition. Positions and times of the claim are 0; `horizon` is that of the transaction. */
function agrees(own: readonly Entry[], others: readonly Other[], horizon: Entry): boolean {
  const written = own.filter(({ lsn }) => lsn > 0 && lsn <= horizon.lsn);
  return others.every(({ entries, applied, isKnown }) => {
    if (isKnown) return true;
    const points = entries.filter(({ lsn, ts }) => lsn <= 0 || ts > 0);
    const beyond = points.find(({ lsn }) => lsn > horizon.lsn);
    if (beyond !== undefined && beyond.ts <= horizon.ts) return false;
    return written.every((mine) => {
      if (applied.lsn < mine.lsn && applied.ts >= mine.ts) return false;
      return points.every((point) => {
        if (point.lsn < mine.lsn) return point.xid === null ? point.ts < mine.ts : point.ts <= mine.ts;
        if (point.lsn > mine.lsn) return point.ts >= mine.ts;
        return point.xid === null ? point.ts >= mine.ts : point.xid !== mine.xid || point.ts === mine.ts;
      });
    });
  });
}

test('times agree exactly if every entry agrees with every point of the others', {
  timeout: 120_000,
}, async () => {
  await using databases = await testDatabases();
  const { store, sourceUrl, storeUrl } = databases;
  const names = ['own', 'one', 'two'].map((name) => `${databases.node}_${name}`);
  for (const node of names)
    await init({ sourceUrl, storeUrl, node, plugin: 'pgoutput', slotName: null, version: 'test' });
  const claim = (await claimNode(store, names[0]!, 600))!;
  const lsnOf = (offset: number): Lsn => (claim.horizon.lsn + BigInt(offset)) as Lsn;
  const timeOf = (offset: number): CommitTime => (claim.horizon.time + BigInt(offset)) as CommitTime;
  const random = randomOf(SEED);
  const seen = { agreed: 0, differed: 0 };
  for (let map = 0; map < MAPS; map++) {
    await store.query('BEGIN');
    await store.query('DELETE FROM pgtimewarp.lsn_time_map WHERE node_id = ANY ($1::text[])', [names]);
    const put = async (node: string, entries: readonly Entry[]): Promise<void> => {
      for (const { lsn, ts, xid } of entries)
        await store.query(
          `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts, xid) VALUES ($1::text, $2::int, $3::pg_lsn, $4::timestamptz, $5::bigint)`,
          [node, claim.lsnSpace, formatLsn(lsnOf(lsn)), formatCommitTime(timeOf(ts)), xid],
        );
    };
    const own = randomMap(random, 0).map((entry) => ({ ...entry, ts: entry.ts + 1 }));
    const others: Other[] = [];
    for (const _ of names.slice(1)) {
      const entries = randomMap(random, -5);
      const last = entries.at(-1) ?? { lsn: -5, ts: -5, xid: null };
      const applied = { lsn: last.lsn + random(3), ts: last.ts + random(2), xid: null };
      others.push({ entries, applied, isKnown: random(4) === 0 });
    }
    await put(names[0]!, own);
    for (const [index, { entries, applied }] of others.entries()) {
      await put(names[index + 1]!, entries);
      await store.query(
        'UPDATE pgtimewarp.wal_checkpoints SET applied_lsn = $2::pg_lsn, applied_ts = $3::timestamptz WHERE node_id = $1::text',
        [names[index + 1]!, formatLsn(lsnOf(applied.lsn)), formatCommitTime(timeOf(applied.ts))],
      );
    }
    const { rows } = await store.query<{ marks: string }>(
      'SELECT pgtimewarp.lineage_marks($1::text) AS marks',
      [names[0]!],
    );
    const known =
      rows[0]!.marks
        .split(',')
        .filter((_, index) => others[index]!.isKnown)
        .join(',') || null;
    const last = own.at(-1) ?? { lsn: 1, ts: 1 };
    const horizon: Entry = { lsn: Math.min(last.lsn, SPAN), ts: last.ts - random(2), xid: null };
    const found = await requireAgreement(
      store as unknown as StoreTransaction,
      claim,
      { lsn: lsnOf(horizon.lsn), time: timeOf(horizon.ts) },
      known,
    ).then(
      () => true,
      (error: unknown) => {
        if (error instanceof ClockMoved) return false;
        throw error;
      },
    );
    await store.query('ROLLBACK');
    expect(found, JSON.stringify({ own, others, horizon })).toBe(agrees(own, others, horizon));
    seen[found ? 'agreed' : 'differed']++;
  }
  expect(Math.min(seen.agreed, seen.differed), JSON.stringify(seen)).toBeGreaterThan(MAPS / 10);
});
