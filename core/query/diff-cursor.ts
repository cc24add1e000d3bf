/** The cursor of a diff: the position after the last change of a page. Opaque to callers; it stays valid while history grows. */
import { TimewarpError } from '../errors/timewarp-error.ts';

export type DiffCursor = string & { readonly __brand: 'DiffCursor' };

export interface CursorParts {
  readonly relationId: string;
  readonly lsn: string;
  readonly seq: string;
}

/** The form that {@link parseCursor} accepts. */
export const CURSOR = /^(\d{1,9})_([0-9A-F]{1,8}-[0-9A-F]{1,8})_(\d{1,9})$/;

export function formatCursor(parts: CursorParts): DiffCursor {
  return `${parts.relationId}_${parts.lsn.replace('/', '-')}_${parts.seq}` as DiffCursor;
}

/** Throws BAD_FLAGS if the text is not a cursor. */
export function parseCursor(text: string): CursorParts {
  const match = CURSOR.exec(text);
  if (match === null) {
    throw new TimewarpError('BAD_FLAGS', 'Not a cursor of an earlier page.', {
      remedy: 'Start without a cursor.',
    });
  }
  return { relationId: match[1]!, lsn: match[2]!.replace('-', '/'), seq: match[3]! };
}
