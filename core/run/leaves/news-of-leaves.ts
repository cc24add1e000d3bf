/**
 * Collects what transactions contain about leaves that are not judged yet (see check-new-leaves.ts): which rows they changed,
 * and, in commit order, where each leaf was attached. Transaction ids wrap around (PostgreSQL manual, "Transaction IDs").
 */
import type { AttachPosition, NewsOfLeaf } from '../../store/tables/leaves.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { PendingChange } from '../../types/stored.ts';
import type { NewLeaves } from '../catalog/tables-of-run.ts';

const XIDS = 2 ** 32;

interface Heard extends NewsOfLeaf {
  firstChange: Lsn | null;
  readonly changedKeys: Set<string>;
  readonly attachedAt: Map<string, AttachPosition>;
}

export class NewsOfLeaves {
  readonly #newLeaves: NewLeaves;
  readonly #heard = new Map<number, Heard>();

  constructor(newLeaves: NewLeaves) {
    this.#newLeaves = newLeaves;
  }

  heard(): NewsOfLeaf[] {
    return [...this.#heard.values()];
  }

  /** Call it for every commit, also for one that changed no tracked table. */
  hearCommit(xid: string, lsn: Lsn): void {
    if (this.#newLeaves.size === 0) return; // an empty iteration costs an object for each commit
    for (const [leafId, { attachedBy }] of this.#newLeaves) {
      for (const by of attachedBy) {
        const exactly = by === xid;
        if (!exactly && !isOlder(xid, by)) continue;
        const { attachedAt } = this.#of(leafId);
        if (attachedAt.get(by)?.exactly !== true) attachedAt.set(by, { lsn, exactly });
      }
    }
  }

  hearChanges(lsn: Lsn, changes: readonly PendingChange[]): void {
    if (this.#newLeaves.size === 0) return;
    for (const { leafId, op, key } of changes) {
      if (leafId === null || !this.#newLeaves.has(leafId)) continue;
      const heard = this.#of(leafId);
      heard.firstChange ??= lsn;
      if (op !== 'I') heard.changedKeys.add(key);
    }
  }

  #of(leafId: number): Heard {
    let heard = this.#heard.get(leafId);
    if (heard === undefined) {
      const { relationId } = this.#newLeaves.get(leafId)!;
      heard = { relationId, leafId, firstChange: null, changedKeys: new Set(), attachedAt: new Map() };
      this.#heard.set(leafId, heard);
    }
    return heard;
  }
}

function isOlder(xid: string, than: string): boolean {
  return (Number.parseInt(xid, 10) - Number.parseInt(than, 10) + XIDS) % XIDS > XIDS / 2;
}
