/** Parts of many documents: zod schemas for names, positions and times, and functions that format the values of core. */
import * as z from 'zod';
import { type CommitTime, formatCommitTime } from '../core/types/commit-time.ts';
import { formatLsn, type Lsn as Position } from '../core/types/lsn.ts';

export const Text = z.string();
export const Lsn = z
  .string()
  .regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)
  .meta({ examples: ['0/16B3748'] });
export const Time = z.iso
  .datetime({ offset: false, precision: 6 })
  .meta({ description: 'RFC 3339, UTC, six decimals', examples: ['2026-01-31T09:41:00.000001Z'] });
export const Point = z.object({ lsn: Lsn, ts: Time });
export type PointDocument = Readonly<z.input<typeof Point>>;

export const NodeName = z
  .string()
  .regex(/^[a-z0-9_]{1,40}$/)
  .meta({ description: 'name of a node', examples: ['shop'] });

export function pointDocument(point: { readonly lsn: Position; readonly ts: CommitTime }): PointDocument {
  return { lsn: formatLsn(point.lsn), ts: formatCommitTime(point.ts) };
}
