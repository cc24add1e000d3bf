/**
 * Fills the holes that unchanged TOASTed columns leave in an update, from the previous version. Pure: the caller looks up stored
 * versions. If the value is not known, the column is left out and named in `incomplete`; it is never guessed and never null. The
 * next update with the column makes the row complete again.
 */
import { jsonMembers, quoteJson } from '../types/json-text.ts';
import type { Lsn } from '../types/lsn.ts';
import { type PendingChange, type PreviousVersion, versionKey } from '../types/stored.ts';

/** A change with the position of its commit. */
export interface PlacedChange {
  readonly lsn: Lsn;
  readonly change: PendingChange;
}

/** The position since which the column of a relation has had this name; null: not known. */
export type ColumnKnownSince = (relationId: number, column: string) => Lsn | null;

/** The stored versions that fillPartial() needs: of keys with holes whose previous version is not in the batch itself. */
export function neededVersions(changes: readonly PlacedChange[]): { relationId: number; key: string }[] {
  const seen = new Set<string>();
  const needed = new Map<string, { relationId: number; key: string }>();
  let beforeKeyUpdate: { id: string; wasSeen: boolean } | null = null;
  for (const { change } of changes) {
    const previousId = versionKey(change.relationId, change.previousKey);
    if (change.partial !== null) {
      const wasSeen = beforeKeyUpdate?.id === previousId ? beforeKeyUpdate.wasSeen : seen.has(previousId);
      if (!wasSeen) needed.set(previousId, { relationId: change.relationId, key: change.previousKey });
    }
    const id = versionKey(change.relationId, change.key);
    beforeKeyUpdate = change.op === 'D' ? { id, wasSeen: seen.has(id) } : null;
    seen.add(id);
  }
  return [...needed.values()];
}

/** Completes every change with holes. The changes must be in the order of the log. */
export function fillPartial(
  changes: readonly PlacedChange[],
  stored: ReadonlyMap<string, PreviousVersion>,
  knownSince: ColumnKnownSince,
): void {
  const latest = new Map<string, PreviousVersion>();
  let beforeKeyUpdate: { id: string; version: PreviousVersion | undefined } | null = null;
  for (const { lsn, change } of changes) {
    const previousId = versionKey(change.relationId, change.previousKey);
    if (change.partial !== null) {
      // An update of the key is a D of the old key directly before its I: the previous version is the one before the D.
      const previous =
        beforeKeyUpdate !== null && beforeKeyUpdate.id === previousId
          ? beforeKeyUpdate.version
          : (latest.get(previousId) ?? stored.get(previousId));
      complete(change, previous, lsn, knownSince);
    }
    const id = versionKey(change.relationId, change.key);
    beforeKeyUpdate = change.op === 'D' ? { id, version: latest.get(id) ?? stored.get(id) } : null;
    latest.set(id, {
      lsn,
      rowData: change.rowData,
      incomplete: change.incomplete,
      jsonNulls: change.jsonNulls,
      readLsn: null,
    });
  }
}

// biome-ignore lint/complexity/useMaxParams: called for each change with holes
function complete(
  change: PendingChange,
  previous: PreviousVersion | undefined,
  lsn: Lsn,
  knownSince: ColumnKnownSince,
): void {
  const { columns, fragments, holesAreCertain, renamedHoles = [] } = change.partial!;
  const usable = previous !== undefined && (previous.readLsn === null || previous.readLsn < lsn);
  const known = usable && previous.rowData !== null ? jsonMembers(previous.rowData, 0).members : null;
  const incomplete = [...(change.incomplete ?? [])];
  const jsonNulls = [...(change.jsonNulls ?? [])];
  const members: string[] = [];
  columns.forEach((column, index) => {
    const fragment = fragments[index];
    if (fragment !== undefined) {
      members.push(`${quoteJson(column)}:${fragment}`);
      return;
    }
    const isCertain = holesAreCertain || renamedHoles.includes(column);
    if (!isCertain && known !== null && isAbsent(column, known, previous)) return;
    const value = isTrusted(change.relationId, column, previous, knownSince) ? known?.get(column) : undefined;
    if (value === undefined) {
      incomplete.push(column);
      return;
    }
    members.push(`${quoteJson(column)}:${value}`);
    if (previous?.jsonNulls?.includes(column)) jsonNulls.push(column);
  });
  change.rowData = `{${members.join(',')}}`;
  change.partial = null;
  change.incomplete = incomplete.length > 0 ? incomplete : null;
  change.jsonNulls = jsonNulls.length > 0 ? jsonNulls : null;
}

/** Whether the previous version has no such column: it was added after this change, and wal2json does not show that. */
function isAbsent(
  column: string,
  known: ReadonlyMap<string, string>,
  previous: PreviousVersion | undefined,
): boolean {
  return !known.has(column) && previous?.incomplete?.includes(column) !== true;
}

/** The value of a previous version counts only if the column already had this name when the version was written. */
// biome-ignore lint/complexity/useMaxParams: called for each hole
function isTrusted(
  relationId: number,
  column: string,
  previous: PreviousVersion | undefined,
  knownSince: ColumnKnownSince,
): boolean {
  if (previous === undefined) return false;
  const since = knownSince(relationId, column);
  return since !== null && previous.lsn > since;
}
