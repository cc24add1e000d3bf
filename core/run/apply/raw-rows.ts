/** The output of the plugin for the current transaction, with a limit. It is kept for people if the transaction cannot be applied. */
import type { PeekRow } from '../../source/slot/peek.ts';

const MAX_ROWS = 1000;
const MAX_CHARACTERS = 1_000_000;

export class RawRows {
  readonly #keepsData: boolean;
  #rows: (string | null)[] = [];
  #characters = 0;

  /** @param keepsData false if rows may contain values that must not be stored: then only their number is kept */
  constructor(keepsData: boolean) {
    this.#keepsData = keepsData;
  }

  add([, , data]: PeekRow): void {
    if (this.#rows.length >= MAX_ROWS || this.#characters + data.length > MAX_CHARACTERS) return;
    this.#characters += data.length;
    this.#rows.push(this.#keepsData ? data : null);
  }

  /** Returns what was collected and starts with an empty collection. */
  take(): (string | null)[] {
    const rows = this.#rows;
    this.#rows = [];
    this.#characters = 0;
    return rows;
  }
}
