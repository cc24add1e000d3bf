/**
 * How many rows a peek asks for. The server keeps all of them until they are fetched, on its disk when they are many, so they
 * are bounded in bytes, going by the peek before; but every peek reads again all WAL that an open transaction pins, so
 * they are many where they are narrow.
 */
const FIRST_ROWS = 50_000;
/** Of a row that the source cannot print, each attempt costs as much as the row is large. */
const SHRINK = 32;
const MAX_ROWS = 500_000;
const MAX_BYTES = 256 * 1024 * 1024;
/** A peek grows at most by this factor. */
const GROWTH = 10;

export class PeekSize {
  #rows: number;
  #most = MAX_ROWS;

  /** @param careful a run has failed at what comes next: it is read alone */
  constructor(careful: boolean) {
    this.#rows = careful ? 1 : FIRST_ROWS;
  }

  get rows(): number {
    return this.#rows;
  }

  /** What a peek of so many rows delivered. */
  learn(rows: number, bytes: number): void {
    const fitting = rows === 0 ? MAX_ROWS : Math.floor(MAX_BYTES / Math.max(1, bytes / rows));
    this.#rows = Math.max(1, Math.min(fitting, this.#rows * GROWTH, this.#most));
  }

  /** The server refused to keep the answer to so many rows. @returns whether there is less to ask for */
  halve(rows: number): boolean {
    if (rows <= 1) return false;
    return this.#limit(rows >> 1);
  }

  /** The server could not print one of so many rows. @returns whether there is less to ask for */
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
