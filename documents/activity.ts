/** How much was committed, in intervals of equal length. */
import * as z from 'zod';
import type { Activity as ActivityAnswer, ActivityBucket as Bucket } from '../core/query/activity.ts';
import { UnknownOfTables } from './history.ts';
import { listText, objectText, pointText, quote, type Texts } from './text-members.ts';
import { Point, Text, Time } from './values.ts';

const Count = z.int().min(0);
export const ActivityBucket = z.object({
  from: Time.meta({ description: 'what was committed after this time' }),
  to: Time.meta({ description: 'up to and including this time' }),
  commits: Count,
  inserts: Count,
  updates: Count,
  deletes: Count,
  truncates: Count,
  largest: Count.meta({ description: 'the rows of the transaction that changed the most' }),
});
export const Activity = z.object({
  buckets: z.array(ActivityBucket).meta({ description: 'in the order of time, without gaps' }),
  from: Text.nullable(),
  to: Text.nullable(),
  horizon: Point.nullable(),
  final: z.boolean(),
  unknown: z
    .array(UnknownOfTables)
    .meta({ description: 'intervals in which changes of these tables may be missing from the counts' }),
});

export function activityText({ buckets, from, to, horizon, final, unknownText }: ActivityAnswer): string {
  const members: Texts<typeof Activity> = {
    buckets: listText(buckets.map(bucketText)),
    from: quote(from),
    to: quote(to),
    horizon: pointText(horizon),
    final: `${final}`,
    unknown: unknownText,
  };
  return objectText(members);
}

function bucketText({ from, to, ...counts }: Bucket): string {
  const members: Texts<typeof ActivityBucket> = { from: quote(from), to: quote(to), ...counts };
  return objectText(members);
}
