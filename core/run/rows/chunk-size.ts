/**
 * How many rows to read at once: as many as fit into a bounded memory, estimated from the chunk before. The first chunk is
 * small, since the width of the rows is unknown.
 */
const FIRST_ROWS = 500;
const MAX_ROWS = 10_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** A chunk grows at most by this factor. */
const GROWTH = 5;

export class ChunkSize {
  #rows = FIRST_ROWS;

  get rows(): number {
    return this.#rows;
  }

  learn(rows: readonly { readonly rowData: string }[]): void {
    if (rows.length === 0) return;
    let length = 0;
    for (const row of rows) length += row.rowData.length;
    const fitting = Math.floor(MAX_BYTES / Math.max(1, length / rows.length));
    this.#rows = Math.max(1, Math.min(fitting, this.#rows * GROWTH, MAX_ROWS));
  }
}
