/**
 * What a platform, a version or a role has not got: Amazon Aurora refuses pg_stat_wal, for instance, and before logical replication
 * is switched on the functions that tell positions.
 */
import type { QueryResultRow } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from './connection.ts';
import { sqlState } from './database-error.ts';

/**
 * SQLSTATEs: feature_not_supported, insufficient_privilege, undefined_function, undefined_table, undefined_column,
 * object_not_in_prerequisite_state.
 */
const LACKING = new Set(['0A000', '42501', '42883', '42P01', '42703', '55000']);

export function isLacking(error: unknown): boolean {
  const state = error instanceof TimewarpError ? error.facts.sqlstate : sqlState(error);
  return typeof state === 'string' && LACKING.has(state);
}

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
