/**
 * Which store of a deployment has a node. The stores list their nodes, so that the configuration of the function need not; what they said
 * is asked again after a minute, and for a node that none of them had.
 */
import type { Queryable } from '../../core/pg/connection.ts';
import { listNodes, type StoredNode } from '../../core/store/node/nodes.ts';

/** Asks the store with this secret. */
type UseStore = <T>(secretArn: string, ask: (store: Queryable) => Promise<T>) => Promise<T>;

const ASK_AGAIN_MS = 60_000;

export class Stores {
  readonly #use: UseStore;
  /** What each store said the last time that it answered. */
  readonly #nodes = new Map<string, readonly Pick<StoredNode, 'node' | 'status'>[]>();
  #askedAtMs = 0;

  constructor(use: UseStore) {
    this.#use = use;
  }

  /**
   * The secret of the store of a node; that of the first store if none has it. Throws what a store threw that may have the node and does
   * not answer.
   */
  async secretOf(node: string, secretArns: readonly [string, ...string[]]): Promise<string> {
    const [first] = secretArns;
    if (secretArns.length === 1) return first;
    const known = Date.now() - this.#askedAtMs < ASK_AGAIN_MS ? this.#find(node, secretArns) : null;
    if (known !== null) return known;
    const answers = await Promise.allSettled(secretArns.map((each) => this.#learn(each)));
    this.#askedAtMs = Date.now();
    const found = this.#find(node, secretArns);
    if (found !== null) return found;
    const silent = answers.find(({ status }) => status === 'rejected');
    if (silent?.status === 'rejected') throw silent.reason;
    return first;
  }

  async #learn(secretArn: string): Promise<void> {
    this.#nodes.set(secretArn, await this.#use(secretArn, listNodes));
  }

  /** A node that moved was removed from the store that it was in; the history there remains. */
  #find(node: string, secretArns: readonly string[]): string | null {
    const having = secretArns.flatMap((secretArn) =>
      (this.#nodes.get(secretArn) ?? [])
        .filter((each) => each.node === node)
        .map(({ status }) => ({ secretArn, isRemoved: status === 'removed' })),
    );
    return (having.find(({ isRemoved }) => !isRemoved) ?? having[0])?.secretArn ?? null;
  }
}
