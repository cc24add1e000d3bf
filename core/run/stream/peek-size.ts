/**
 * How many rows a peek asks for. The server holds all of them until they are fetched, and on its disk if they are many. So they
 * are bounded in bytes, estimated from the peek before. On the other hand every peek decodes once more all WAL that an open
 * transaction pins, so narrow rows come in large numbers.
 */
const FIRST_ROWS = 50_000;
/** Each attempt to print a row that the source cannot print costs as much as the row is large. */
const SHRINK = 32;
const MAX_ROWS = 500_000;
const MAX_BYTES = 256 * 1024 * 1024;
/** A peek grows at most by this factor. */
const GROWTH = 10;

export class PeekSize {
  #rows: number;
  #most = MAX_ROWS;

  /** @param careful a run has failed at the next transaction, so the peek reads it alone */
  constructor(careful: boolean) {
    this.#rows = careful ? 1 : FIRST_ROWS;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Learns from a peek of this many rows. */
  learn(rows: number, bytes: number): void {
    const fitting = rows === 0 ? MAX_ROWS : Math.floor(MAX_BYTES / Math.max(1, bytes / rows));
    this.#rows = Math.max(1, Math.min(fitting, this.#rows * GROWTH, this.#most));
  }

  /** Call it when the server refused to hold this many rows. @returns whether a smaller peek is possible */
  halve(rows: number): boolean {
    if (rows <= 1) return false;
    return this.#limit(rows >> 1);
  }

  /** Call it when the server could not print one of this many rows. @returns whether a smaller peek is possible */
  shrink(rows: number): boolean {
    if (rows <= 1) return false;
    return this.#limit(Math.max(1, Math.floor(rows / SHRINK)));
  }

  #limit(rows: number): true {
    this.#most = rows;
    this.#rows = rows;
    return true;
  }
}
