/** The output of the plugin for the current transaction, with a limit. It is kept for people if the transaction cannot be applied. */
import type { PeekRow } from '../../source/slot/peek-row.ts';
import type { ApplyOptions } from './apply-options.ts';

const MAX_ROWS = 1000;
const MAX_BYTES = 1_000_000;

export class RawRows {
  readonly #options: Pick<ApplyOptions, 'keepsRaw' | 'decoder'>;
  #rows: (string | null)[] = [];
  #bytes = 0;

  /** @param options `keepsRaw` is false if rows may contain values that must not be stored: then only their number is kept */
  constructor(options: Pick<ApplyOptions, 'keepsRaw' | 'decoder'>) {
    this.#options = options;
  }

  add(row: PeekRow): void {
    const { keepsRaw, decoder } = this.#options;
    if (this.#rows.length >= MAX_ROWS || this.#bytes + row.byteCount > MAX_BYTES) return;
    this.#bytes += row.byteCount;
    this.#rows.push(keepsRaw ? decoder.print(row) : null);
  }

  /** Returns what was collected and starts with an empty collection. */
  take(): (string | null)[] {
    const rows = this.#rows;
    this.#rows = [];
    this.#bytes = 0;
    return rows;
  }
}
