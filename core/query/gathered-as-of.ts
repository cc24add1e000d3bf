/**
 * Gathers as-of questions about one table. If a statement about the table is running, questions that arrive meanwhile go into the next
 * one together: that costs much less than one statement for each. If none is running, a question is asked immediately and alone. A
 * question waits at most 20 ms for the statement of others. It never fails because of another: if a gathered statement fails, its
 * questions are asked again one by one. (docs/decisions/0019-gathered-questions.md)
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { isArchived } from './archived.ts';
import { type AsOfRequest, type AsOfResult, asOf, asOfEach } from './as-of.ts';
import type { WithStore } from './await-horizon.ts';

/** The most questions of one statement, because memory holds all their rows together. */
const MOST_TOGETHER = 16;

/** How long a question waits for a running statement. Then it uses another session. */
const LONGEST_WAIT_MS = 20;

/** After so many statements the session is returned, because other work may wait for it. */
const MOST_STATEMENTS_OF_A_LOAN = 16;

/** The error of a statement that `statement_timeout` ends (PostgreSQL manual, "Error Codes"). */
const QUERY_CANCELED = '57014';

interface Waiting {
  readonly request: AsOfRequest;
  readonly resolve: (result: AsOfResult | Promise<AsOfResult>) => void;
}

/** Answers and throws as {@link asOf} does. */
export function gatheredAsOf(withStore: WithStore): (request: AsOfRequest) => Promise<AsOfResult> {
  const tables = new Map<string, OneTable>(); // only tables with questions under way
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

  /** Takes the questions that have waited longest. */
  #take(): readonly Waiting[] {
    clearTimeout(this.#timer);
    const taken = this.#waiting.splice(0, MOST_TOGETHER);
    this.#timer = this.#waiting.length === 0 ? undefined : setTimeout(() => this.#begin(), LONGEST_WAIT_MS);
    return taken;
  }

  /** Asks these questions, then in the same session those that arrived meanwhile. Never rejects: each question has its own result. */
  async #borrow(first: readonly Waiting[]): Promise<void> {
    let asked = first;
    try {
      await this.#withStore(async (store) => {
        for (let statements = 1; asked.length > 0; statements++) {
          const answers = await asOfEach(
            store,
            asked.map(({ request }) => request),
          );
          // The next statement is sent before callers process these answers: their promises resolve later.
          for (const [place, { resolve }] of asked.entries()) resolve(answers[place]!);
          asked = statements < MOST_STATEMENTS_OF_A_LOAN ? this.#take() : [];
        }
      });
    } catch (error) {
      const isLost = (asked.length === 1 && !isArchived(error)) || isTimeout(error);
      const answers = asked.map(({ request }) => (isLost ? Promise.reject(error) : this.#alone(request)));
      for (const [place, { resolve }] of asked.entries()) resolve(answers[place]!);
      await Promise.allSettled(answers);
    }
  }

  #alone(request: AsOfRequest): Promise<AsOfResult> {
    return this.#withStore((store) => asOf(store, request));
  }
}

/** A question that used up its time is not asked again. */
function isTimeout(error: unknown): boolean {
  return error instanceof TimewarpError && error.facts.sqlstate === QUERY_CANCELED;
}
