/** Reads what not every platform, version or role can tell; see lacking.ts. */
import type { QueryResultRow } from 'pg';
import type { Queryable } from './connection.ts';
import { isLacking } from './lacking.ts';

/** Reads facts one by one, and remembers which could not be read. Outside of transactions, which a refusal would end. */
export class FactReader {
  /** What is not known here, as a person looks it up. */
  readonly unknown: string[] = [];
  readonly #session: Queryable;

  constructor(session: Queryable) {
    this.#session = session;
  }

  /**
   * The rows of a statement; null where the server has not got it. Throws everything else.
   * @param what it is about, for `unknown`
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

  /** The value `fact` of the first row; null also where there is none. */
  async fact<T>(what: string, text: string, values: unknown[] = []): Promise<T | null> {
    const rows = await this.rows<{ fact: T }>(what, text, values);
    return rows?.[0]?.fact ?? null;
  }
}
