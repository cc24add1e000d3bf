/** Reads facts that some platforms, versions or roles refuse; see lacking.ts. */
import type { QueryResultRow } from 'pg';
import type { Queryable } from './connection.ts';
import { isLacking } from './lacking.ts';

/** Reads facts one by one and remembers which ones the server refused. Use it outside transactions: a refusal would abort one. */
export class FactReader {
  /** Names of the views and functions that were refused. */
  readonly unknown: string[] = [];
  readonly #session: Queryable;

  constructor(session: Queryable) {
    this.#session = session;
  }

  /**
   * The rows of a statement; null where the server lacks or refuses what it reads. Throws all other errors.
   * @param what the name of the view or function, for `unknown`
   */
  async rows<T extends QueryResultRow>(
    what: string,
    text: string,
    values: unknown[] = [],
  ): Promise<readonly T[] | null> {
    try {
      return (await this.#session.query<T>(text, values)).rows;
    } catch (error) {
      if (!isLacking(error)) throw error;
      this.unknown.push(what);
      return null;
    }
  }

  /** The value `fact` of the first row; null also if there is no row. */
  async fact<T>(what: string, text: string, values: unknown[] = []): Promise<T | null> {
    const rows = await this.rows<{ fact: T }>(what, text, values);
    return rows?.[0]?.fact ?? null;
  }
}
