/**
 * Whole transactions that one store transaction will write. Rows are encoded immediately, so waiting rows are only bytes. A batch
 * with holes (unchanged TOASTed columns, doubtful nulls) keeps its changes as objects until the holes are filled.
 */
import { ChangeRows } from '../../store/history/change-rows.ts';
import type { CommitStamp } from '../../store/history/commit-stamp.ts';
import { MapRows } from '../../store/history/map-rows.ts';
import type { CommittedPart } from '../../store/history/write-batch.ts';
import type { Horizon } from '../../store/node/claim.ts';
import type { LostColumn } from '../../store/tables/lost-columns.ts';
import type { PendingChange, TransactionPart } from '../../types/stored.ts';
import type { PlacedChange } from '../../versions/fill-partial.ts';
import type { NewLeaves } from '../catalog/tables-of-run.ts';
import { NewsOfLeaves } from '../leaves/news-of-leaves.ts';

const FULL_CHANGES = 20_000;
const FULL_BYTES = 8 * 1024 * 1024;

/** A change with the commit it became visible by. */
export interface StampedChange extends PlacedChange {
  readonly stamp: CommitStamp;
}

export class Batch {
  readonly rows = new ChangeRows();
  /** In the order of the log; empty unless one of them has holes. */
  readonly unfilled: StampedChange[] = [];
  /** The commits of all transactions of the batch. */
  readonly map: MapRows;
  /** The transactions that did more than change rows. */
  readonly special: CommittedPart[] = [];
  /** Columns whose values the plugin lost, of any change. */
  readonly lost: LostColumn[] = [];
  readonly ofNewLeaves: NewsOfLeaves;
  /** Row changes and truncates. */
  changes = 0;
  /** The last commit seen, whether or not it touched a tracked table: the horizon that this batch reaches. */
  last: Horizon | null = null;
  /** Estimated memory of changes with holes and of contexts. */
  #heldBytes = 0;
  readonly #lostIds = new Set<string>();

  constructor(node: { readonly nodeId: string; readonly lsnSpace: number }, newLeaves: NewLeaves) {
    this.map = new MapRows(node);
    this.ofNewLeaves = new NewsOfLeaves(newLeaves);
  }

  get isFull(): boolean {
    return this.changes >= FULL_CHANGES || this.bytes >= FULL_BYTES;
  }

  /** Memory of the batch. */
  get bytes(): number {
    return this.rows.bytes + this.#heldBytes;
  }

  /** Whether a part with holes can join. It cannot after rows are encoded, because its holes may need values of these rows. */
  accepts(part: TransactionPart): boolean {
    return this.rows.count === 0 || !hasHoles(part);
  }

  add(stamp: CommitStamp, part: TransactionPart): void {
    this.map.add(stamp);
    this.addChanges(stamp, part);
    if (part.truncates.length > 0 || part.contexts.length > 0 || part.keyMismatches.size > 0) {
      this.special.push({ stamp, part: { ...part, changes: [] } });
      for (const { text } of part.contexts) this.#heldBytes += text.length;
    }
  }

  /** Adds only to the count of row changes and truncates: for parts of a huge transaction. */
  addChanges(stamp: CommitStamp, part: TransactionPart): void {
    this.changes += part.changes.length + part.truncates.length;
    this.ofNewLeaves.hearChanges(stamp.lsn, part.changes);
    if (this.unfilled.length > 0 || hasHoles(part)) {
      for (const change of part.changes) this.unfilled.push({ lsn: stamp.lsn, stamp, change });
      this.#heldBytes += part.bytes;
    } else {
      for (const change of part.changes) this.rows.add(stamp, change);
      this.noteLost(part.changes);
    }
  }

  /** Adds to `lost`. Call it before holes are filled: a column that is incomplete afterwards may be a TOASTed one. */
  noteLost(changes: readonly PendingChange[]): void {
    for (const { relationId, incomplete } of changes) {
      if (incomplete === null) continue;
      for (const column of incomplete) {
        const id = `${relationId} ${column}`;
        if (this.#lostIds.has(id)) continue;
        this.#lostIds.add(id);
        this.lost.push({ relationId, column });
      }
    }
  }

  /** Encodes the changes that waited until their holes were filled. */
  encodeFilled(): void {
    for (const { stamp, change } of this.unfilled) this.rows.add(stamp, change);
    this.unfilled.length = 0;
  }
}

function hasHoles(part: TransactionPart): boolean {
  return part.changes.some((change) => change.partial !== null || change.doubtfulNulls !== null);
}
