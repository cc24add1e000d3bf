/**
 * Which store of a deployment has a node. The stores list their nodes, so that the configuration of the function need not; what they said
 * is asked again after a minute, and for a node that none of them had.
 */
import type { Queryable } from '../../core/pg/connection.ts';
import { listNodes, type StoredNode } from '../../core/store/node/nodes.ts';

/** Asks the store with this secret. */
type UseStore = <T>(secretArn: string, ask: (store: Queryable) => Promise<T>) => Promise<T>;

const ASK_AGAIN_MS = 60_000;

interface Said {
  readonly atMs: number;
  readonly nodes: readonly Pick<StoredNode, 'node' | 'status'>[];
}

interface Found {
  readonly secretArn: string;
  readonly atMs: number;
  /** Only its history is left there. */
  readonly isRemoved: boolean;
}

export class Stores {
  readonly #use: UseStore;
  /** What each store said the last time that it answered. */
  readonly #said = new Map<string, Said>();

  constructor(use: UseStore) {
    this.#use = use;
  }

  /**
   * The secret of the store of a node; that of the first store if none has it. A store that is silent keeps no question about the nodes of
   * another one waiting. Throws what it threw if it may have the node.
   */
  async secretOf(node: string, secretArns: readonly [string, ...string[]]): Promise<string> {
    const [first] = secretArns;
    if (secretArns.length === 1) return first;
    const known = this.#find(node, secretArns);
    if (known !== null && Date.now() - known.atMs > ASK_AGAIN_MS) await this.#ask(known.secretArn);
    const still = this.#find(node, secretArns);
    if (still?.isRemoved === false) return still.secretArn;

    const asked = secretArns.map((each) => this.#ask(each));
    const all = Promise.allSettled(asked);
    const having = asked.map(async (each) => {
      await each;
      if (this.#find(node, secretArns)?.isRemoved !== false) throw new Error('not there');
    });
    await Promise.any([all, ...having]);
    const found = this.#find(node, secretArns);
    if (found?.isRemoved === false) return found.secretArn;
    const silent = (await all).find(({ status }) => status === 'rejected');
    if (silent?.status === 'rejected') throw silent.reason;
    return found?.secretArn ?? first;
  }

  async #ask(secretArn: string): Promise<void> {
    const nodes = await this.#use(secretArn, listNodes);
    this.#said.set(secretArn, { nodes, atMs: Date.now() });
  }

  /** A node that has another store now was removed from the one that it had. */
  #find(node: string, secretArns: readonly string[]): Found | null {
    const found = secretArns.flatMap((secretArn): Found[] => {
      const { nodes = [], atMs = 0 } = this.#said.get(secretArn) ?? {};
      return nodes
        .filter((each) => each.node === node)
        .map(({ status }) => ({ secretArn, atMs, isRemoved: status === 'removed' }));
    });
    return found.find(({ isRemoved }) => !isRemoved) ?? found[0] ?? null;
  }
}
