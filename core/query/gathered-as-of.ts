/**
 * As-of questions about one table that arrive while such a statement is under way are asked together in the next one: a
 * statement of many costs the server and this process a fraction of as many statements. A question that finds none under
 * way is asked at once and alone. None waits longer than a moment for the statement of others, and none fails because
 * of another: what fails together is asked again one by one. (docs/decisions/0019-gathered-questions.md)
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type AsOfRequest, type AsOfResult, asOf, asOfEach } from './as-of.ts';
import type { WithStore } from './await-horizon.ts';

/** So many rows are held in memory at once for one statement. */
const MOST_TOGETHER = 16;

/** How long a question waits for a statement that is under way; then another session is asked. */
const LONGEST_WAIT_MS = 20;

/** PostgreSQL manual, "Error Codes": what `statement_timeout` ends. */
const QUERY_CANCELED = '57014';

interface Waiting {
  readonly request: AsOfRequest;
  readonly resolve: (result: AsOfResult | Promise<AsOfResult>) => void;
}

/** Asks as {@link asOf} does, and fails as it does. */
export function gatheredAsOf(withStore: WithStore): (request: AsOfRequest) => Promise<AsOfResult> {
  const tables = new Map<string, OneTable>(); // those with a statement under way
  return (request) => {
    const name = JSON.stringify([request.node, request.table.schema, request.table.name]);
    let table = tables.get(name);
    if (table === undefined) {
      table = new OneTable(withStore, () => tables.delete(name));
      tables.set(name, table);
    }
    return table.ask(request);
  };
}

class OneTable {
  readonly #withStore: WithStore;
  readonly #onIdle: () => void;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(withStore: WithStore, onIdle: () => void) {
    this.#withStore = withStore;
    this.#onIdle = onIdle;
  }

  ask(request: AsOfRequest): Promise<AsOfResult> {
    return new Promise((resolve) => {
      this.#waiting.push({ request, resolve });
      if (this.#underWay === 0) this.#send();
      else this.#timer ??= setTimeout(() => this.#send(), LONGEST_WAIT_MS);
    });
  }

  /** Begins a statement for those who have waited longest. */
  #send(): void {
    clearTimeout(this.#timer);
    const asked = this.#waiting.splice(0, MOST_TOGETHER);
    this.#timer = this.#waiting.length === 0 ? undefined : setTimeout(() => this.#send(), LONGEST_WAIT_MS);
    this.#underWay += 1;
    void this.#answer(asked).finally(() => {
      this.#underWay -= 1;
      if (this.#waiting.length > 0) this.#send();
      else if (this.#underWay === 0) this.#onIdle();
    });
  }

  async #answer(asked: readonly Waiting[]): Promise<void> {
    const requests = asked.map(({ request }) => request);
    const results = requests.length === 1 ? null : await this.#together(requests);
    const answers = requests.map((request, place) => results?.[place] ?? this.#alone(request));
    for (const [place, { resolve }] of asked.entries()) resolve(answers[place]!);
    await Promise.allSettled(answers);
  }

  #alone(request: AsOfRequest): Promise<AsOfResult> {
    return this.#withStore((store) => asOf(store, request));
  }

  /** null when they are to be asked again; but not what has taken all its time already. */
  async #together(
    requests: readonly AsOfRequest[],
  ): Promise<readonly (AsOfResult | Promise<never>)[] | null> {
    try {
      return await this.#withStore((store) => asOfEach(store, requests));
    } catch (error) {
      const isTimedOut = error instanceof TimewarpError && error.facts.sqlstate === QUERY_CANCELED;
      return isTimedOut ? requests.map(() => Promise.reject(error)) : null;
    }
  }
}
