/** Several sequences at once: each has its own table, and all share the runs and the steps on the node. */
import { poll } from '../../../core/poll.ts';
import { changedAnswers, compareAll, type Given, type LiveRows, readLive } from './compare.ts';
import type { HuntGround, HuntNode } from './ground.ts';
import { Hunt } from './hunt.ts';
import { nextNodeStep, plainAgain } from './node-steps.ts';
import { type OutOf, randomOf } from './random.ts';

/** The number of runs at the end, in which everything is mended that can be. */
const LAST_RUNS = 5;

export interface HuntOptions {
  readonly seeds: readonly number[];
  readonly steps: number;
}

export async function runHunts(ground: HuntGround, { seeds, steps }: HuntOptions): Promise<Hunt[]> {
  const pack = new Pack(ground, seeds);
  await pack.begin();
  for (let step = 0; step < steps; step++) await pack.round();
  await pack.end();
  return [...pack.hunts];
}

class Pack {
  readonly hunts: readonly Hunt[];
  readonly #ground: HuntGround;
  readonly #outOf: OutOf;
  readonly #given: Given[] = [];
  /** The rows of the tables, until the next step. */
  #live: LiveRows[] | null = null;

  constructor(ground: HuntGround, seeds: readonly number[]) {
    this.#ground = ground;
    this.#outOf = randomOf(seeds[0]!);
    const mayExclude = this.#outOf(2) === 0;
    this.hunts = seeds.map((seed) => new Hunt(ground, seed, mayExclude));
  }

  async begin(): Promise<void> {
    await this.#onNode(
      `ALTER ROLE ${this.#ground.sourceRole} ${this.#outOf(2) === 0 ? 'SUPERUSER' : 'NOSUPERUSER NOBYPASSRLS'}`,
    );
    for (const hunt of this.hunts) await hunt.begin();
  }

  async round(): Promise<void> {
    this.#live = null;
    for (const hunt of this.hunts) await hunt.step();
    if (this.#outOf(4) === 0) {
      const { form, sql } = nextNodeStep(this.#ground, this.#outOf);
      if (await this.#onNode(sql)) for (const hunt of this.hunts) hunt.done.add(form);
      if (sql.includes('publish_generated_columns = none')) for (const hunt of this.hunts) hunt.restrict();
    }
    for (const node of this.#ground.nodes) if (this.#outOf(3) === 0) await this.#runAndCompare(node);
  }

  async end(): Promise<void> {
    const { nodes } = this.#ground;
    for (let runs = 0; runs < LAST_RUNS; runs++) for (const node of nodes) await this.#runAndCompare(node);
    const bySchema = new Map(this.hunts.map((hunt) => [hunt.place.schema, hunt]));
    for (const { node, plugin } of nodes)
      for (const { schema, what } of await changedAnswers(this.#ground, node, this.#given))
        bySchema.get(schema)!.wrong.push(`${plugin} ${what}`);
    for (const hunt of this.hunts) await hunt.end();
    await this.#onNode(plainAgain(this.#ground));
  }

  async #onNode(sql: string): Promise<boolean> {
    let isDone = true;
    for (const statement of sql.split('; ')) {
      const failure = await this.#ground.databases.source.query(statement).then(
        () => null,
        (error: Error) => error.message,
      );
      isDone &&= failure === null;
      this.#say(failure === null ? `${statement};` : `-- ${statement}; ${failure}`);
    }
    return isDone;
  }

  async #runAndCompare(at: HuntNode): Promise<void> {
    const { sourceUrl, storeUrl, databases } = this.#ground;
    const outcome = await poll({ sourceUrl, storeUrl, node: at.node }).then(
      ({ outcome, caughtUp, reason }) =>
        outcome === 'done' ? (caughtUp ? 'done' : 'not caught up') : `${outcome} ${reason}`,
      (error: Error) => error.message,
    );
    this.#say(`-- poll ${at.plugin}: ${outcome}`);
    if (outcome !== 'done') {
      for (const hunt of this.hunts) hunt.wrong.push(`a run of ${at.plugin} ended as: ${outcome}`);
      return;
    }
    this.#live ??= await readLive(databases.source, this.hunts);
    this.#given.push(...(await compareAll(this.#ground, at, this.hunts, this.#live)));
  }

  #say(line: string): void {
    for (const hunt of this.hunts) hunt.said.push(line);
  }
}
