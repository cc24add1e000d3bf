/** What the plugin wrote for the transaction at hand, bounded: kept for people when the transaction cannot be applied. */
import type { PeekRow } from '../../source/slot/peek.ts';

const MAX_ROWS = 1000;
const MAX_CHARACTERS = 1_000_000;

export class RawRows {
  readonly #keepsData: boolean;
  #rows: (string | null)[] = [];
  #characters = 0;

  /** @param keepsData false where rows may hold values that must not be stored: then only their number is kept */
  constructor(keepsData: boolean) {
    this.#keepsData = keepsData;
  }

  add([, , data]: PeekRow): void {
    if (this.#rows.length >= MAX_ROWS || this.#characters + data.length > MAX_CHARACTERS) return;
    this.#characters += data.length;
    this.#rows.push(this.#keepsData ? data : null);
  }

  /** Hands over what was collected and begins anew. */
  take(): (string | null)[] {
    const rows = this.#rows;
    this.#rows = [];
    this.#characters = 0;
    return rows;
  }
}
