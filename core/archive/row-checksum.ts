/**
 * A checksum of rows that does not depend on their order: the sum of 56 bits of each row's SHA-256. The store and this program
 * compute the same sum, one with SQL and one from the files, so that equal sums mean equal rows.
 */
import { hash } from 'node:crypto';
import type { ArchiveRow } from './columns.ts';

/** No value contains it: texts are JSON, in which it would be escaped, or numbers. */
const SEPARATOR = '\x1f';

export class RowChecksum {
  #rows = 0n;
  #sum = 0n;

  add(row: ArchiveRow): void {
    this.#rows += 1n;
    this.#sum += BigInt(`0x${hash('sha256', row.join(SEPARATOR), 'hex').slice(0, 14)}`); // join makes null an empty text
  }

  /** Adds rows that another has counted. */
  addSum(rows: bigint, sum: bigint): void {
    this.#rows += rows;
    this.#sum += sum;
  }

  get rows(): bigint {
    return this.#rows;
  }

  get sum(): bigint {
    return this.#sum;
  }

  equals(other: RowChecksum): boolean {
    return this.#rows === other.rows && this.#sum === other.sum;
  }
}

/** SQL for the term that a row adds to the sum. No value is an empty text where null is possible. */
export function rowHashSql(columns: readonly string[]): string {
  const text = columns.join(`, E'\\x1f', `);
  return `('x' || encode(substr(sha256(convert_to(concat(${text}), 'UTF8')), 1, 7), 'hex'))::bit(56)::bigint`;
}
