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

/** Then the session goes to whoever waits for one. */
const MOST_STATEMENTS_OF_A_LOAN = 16;

/** PostgreSQL manual, "Error Codes": what `statement_timeout` ends. */
const QUERY_CANCELED = '57014';

interface Waiting {
  readonly request: AsOfRequest;
  readonly resolve: (result: AsOfResult | Promise<AsOfResult>) => void;
}

/** Asks as {@link asOf} does, and fails as it does. */
export function gatheredAsOf(withStore: WithStore): (request: AsOfRequest) => Promise<AsOfResult> {
  const tables = new Map<string, OneTable>(); // those that are being asked about
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
  #loans = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(withStore: WithStore, onIdle: () => void) {
    this.#withStore = withStore;
    this.#onIdle = onIdle;
  }

  ask(request: AsOfRequest): Promise<AsOfResult> {
    return new Promise((resolve) => {
      this.#waiting.push({ request, resolve });
      if (this.#loans === 0) this.#begin();
      else this.#timer ??= setTimeout(() => this.#begin(), LONGEST_WAIT_MS);
    });
  }

  #begin(): void {
    this.#loans += 1;
    void this.#borrow(this.#take()).finally(() => {
      this.#loans -= 1;
      if (this.#loans > 0) return;
      if (this.#waiting.length > 0) this.#begin();
      else this.#onIdle();
    });
  }

  /** Those who have waited longest. */
  #take(): readonly Waiting[] {
    clearTimeout(this.#timer);
    const taken = this.#waiting.splice(0, MOST_TOGETHER);
    this.#timer = this.#waiting.length === 0 ? undefined : setTimeout(() => this.#begin(), LONGEST_WAIT_MS);
    return taken;
  }

  /** Asks for them, and in the same session for who has come meanwhile. Never rejects: each question has its own end. */
  async #borrow(first: readonly Waiting[]): Promise<void> {
    let asked = first;
    try {
      await this.#withStore(async (store) => {
        for (let statements = 1; asked.length > 0; statements++) {
          const answers = await asOfEach(
            store,
            asked.map(({ request }) => request),
          );
          // The next statement is on its way before anything that was only promised here is done with these answers.
          for (const [place, { resolve }] of asked.entries()) resolve(answers[place]!);
          asked = statements < MOST_STATEMENTS_OF_A_LOAN ? this.#take() : [];
        }
      });
    } catch (error) {
      const isLost = asked.length === 1 || isTimeout(error);
      const answers = asked.map(({ request }) => (isLost ? Promise.reject(error) : this.#alone(request)));
      for (const [place, { resolve }] of asked.entries()) resolve(answers[place]!);
      await Promise.allSettled(answers);
    }
  }

  #alone(request: AsOfRequest): Promise<AsOfResult> {
    return this.#withStore((store) => asOf(store, request));
  }
}

/** What has taken all its time is not asked once more. */
function isTimeout(error: unknown): boolean {
  return error instanceof TimewarpError && error.facts.sqlstate === QUERY_CANCELED;
}
