/**
 * Times of commits between points that other nodes have defined. Positions and times are small numbers: only their order
 * counts.
 */
import { describe, expect, test } from 'vitest';
import type { ClockPoint } from '../../core/types/clock.ts';
import type { CommitTime } from '../../core/types/commit-time.ts';
import type { Lsn } from '../../core/types/lsn.ts';
import { CommitClock } from '../../core/versions/commit-clock.ts';

const lsn = (value: number): Lsn => BigInt(value) as Lsn;
const time = (value: number): CommitTime => BigInt(value) as CommitTime;
const point = (at: number, t: number, xid: string | null): ClockPoint => ({
  lsn: lsn(at),
  time: time(t),
  xid,
});

/** A clock whose node stands at position 100 and time 1000. */
function clockWith(
  points: readonly ClockPoint[],
  promises: readonly (readonly [number, number])[] = [],
): CommitClock {
  const clock = new CommitClock(
    {
      horizon: { lsn: lsn(100), time: time(1000) },
      ceiling: time(9000),
      before: [],
      promises: promises.map(([at, t]) => ({ lsn: lsn(at), time: time(t) })),
    },
    false,
  );
  clock.extend({ points, upto: null });
  return clock;
}

const at = (clock: CommitClock, position: number, timestamp: number, xid = '1'): number =>
  Number(clock.timeOf({ lsn: lsn(position), xid, timestamp: time(timestamp) }));

describe('the time of a commit', () => {
  test('is its timestamp if that fits, otherwise the next microsecond, and not later than the clock of the source', () => {
    const clock = clockWith([]);
    expect([
      at(clock, 110, 1500),
      at(clock, 120, 1200),
      at(clock, 130, 20_000),
      at(clock, 140, 20_000),
    ]).toEqual([1500, 1501, 9000, 9001]);
  });

  test('is the time that another node has given it', () => {
    expect(at(clockWith([point(110, 1234, '7')]), 110, 1500, '7')).toBe(1234);
  });

  test('lies between its neighbours, by its position if the timestamp does not fit', () => {
    const clock = clockWith([point(110, 1100, '7'), point(210, 1301, '8')]);
    expect([at(clock, 120, 500), at(clock, 165, 5000), at(clock, 220, 1302)]).toEqual([1101, 1201, 1302]);
  });

  test('is that of the next commit if no microsecond is left, and the horizon stays before it until that commit is passed', () => {
    const clock = clockWith([point(200, 1001, '8')]);
    expect([at(clock, 110, 1500), Number(clock.horizonTime)]).toEqual([1001, 1000]);
    expect([at(clock, 120, 1600), Number(clock.horizonTime)]).toEqual([1001, 1000]);
    expect([at(clock, 200, 1600, '8'), Number(clock.horizonTime)]).toEqual([1001, 1001]);
    expect(at(clock, 210, 900)).toBe(1002);
  });

  test('is later than what another node has made final for a position before it', () => {
    expect(at(clockWith([], [[105, 1700]]), 110, 1500)).toBe(1701);
    expect(at(clockWith([], [[110, 1700]]), 110, 1500)).toBe(1500);
    expect(at(clockWith([point(105, 1700, null)]), 110, 1500)).toBe(1701);
  });

  test('is not later than a horizon that includes it', () => {
    expect(at(clockWith([point(110, 1400, null)]), 110, 1500)).toBe(1399);
  });

  test('is later than all earlier points, also if points are not in order; the clock is then torn', () => {
    const clock = clockWith([point(105, 3000, null), point(200, 1500, '8')]);
    expect([at(clock, 110, 1200), clock.isTorn]).toEqual([3001, true]);
  });
});

test('points are requested up to one behind the position', () => {
  const clock = clockWith([]);
  clock.extend({ points: [point(150, 1100, '7')], upto: lsn(150) });
  expect([clock.covers(lsn(149)), clock.covers(lsn(150)), Number(clock.knownUpto)]).toEqual([
    true,
    false,
    150,
  ]);
});
