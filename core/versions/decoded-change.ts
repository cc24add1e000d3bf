/** A change as the decoder gave it: its texts stay bytes, and become strings only when they are looked at. */
import type { ChangeTexts } from '../types/change-texts.ts';
import type { PendingChange } from '../types/stored.ts';
import type { DecodedTable, PartialRow, RowChange } from '../types/stream.ts';

export class DecodedChange implements PendingChange {
  readonly relationId: number;
  readonly leafId: number | null;
  readonly seq: number;
  readonly op: 'I' | 'U' | 'D';
  texts: ChangeTexts | null;
  partial: PartialRow | null;
  incomplete: readonly string[] | null;
  doubtfulNulls: readonly string[] | null;
  readonly nullsAssumed: boolean;
  jsonNulls: readonly string[] | null;
  readonly #decoded: ChangeTexts;
  readonly #previous: ChangeTexts;
  /** Set when the row was changed. */
  #rowData: string | null = null;

  /**
   * @param row what the decoder said about the row; null: there is no row
   * @param previous has the key that the row had before
   */
  // biome-ignore lint/complexity/useMaxParams: called for each change
  constructor(
    table: DecodedTable,
    seq: number,
    op: 'I' | 'U' | 'D',
    texts: ChangeTexts,
    row: RowChange | null,
    previous: ChangeTexts,
  ) {
    this.relationId = table.relationId;
    this.leafId = table.leafId;
    this.seq = seq;
    this.op = op;
    this.texts = texts;
    this.partial = row === null ? null : row.partial;
    this.incomplete = row === null ? null : row.incomplete;
    this.doubtfulNulls = row === null ? null : row.doubtfulNulls;
    this.nullsAssumed = row?.nullsAssumed ?? false;
    this.jsonNulls = row === null ? null : row.jsonNulls;
    this.#decoded = texts;
    this.#previous = previous;
  }

  get key(): string {
    return this.#decoded.key;
  }

  get previousKey(): string {
    return this.#previous.key;
  }

  get rowData(): string | null {
    return this.texts === null ? this.#rowData : this.texts.rowData;
  }

  set rowData(text: string | null) {
    this.#rowData = text;
    this.texts = null;
  }

  get byteCount(): number {
    return this.#decoded.byteCount;
  }
}
