/**
 * Progress on stderr: a bar on a terminal, and only for what takes long; lines otherwise, and only when they say something
 * new. Dispose of it before anything else is written.
 */
import { Presets, SingleBar } from 'cli-progress';
import type { Output } from './output.ts';

/** Less than this is over before a bar helps anyone. */
const PATIENCE_MS = 1_500;

class Bar implements Disposable {
  #bar: SingleBar | null = null;
  readonly #since = performance.now();
  readonly #format: string;

  constructor(format: string) {
    this.#format = format;
  }

  update(done: number, total: number, payload: object): void {
    if (this.#bar === null) {
      if (performance.now() - this.#since < PATIENCE_MS) return;
      this.#bar = new SingleBar(
        { format: this.#format, stream: process.stderr, hideCursor: true, clearOnComplete: true },
        Presets.rect,
      );
      this.#bar.start(total, done, payload);
    }
    this.#bar.setTotal(Math.max(total, done));
    this.#bar.update(done, payload);
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}

export interface RowsProgress extends Disposable {
  show(message: string, rows?: number, estimatedRows?: number): void;
}

/** Of reading the rows of a table. */
export function rowsProgress(out: Output): RowsProgress {
  const bar = out.interactive ? new Bar('{bar} {value}/{total} rows  {message}') : null;
  let last = '';
  return {
    show: (message, rows, estimatedRows) => {
      if (bar !== null && rows !== undefined) {
        bar.update(rows, Math.max(estimatedRows ?? 0, rows), { message });
        return;
      }
      if (message !== last) out.note(message);
      last = message;
    },
    [Symbol.dispose]: () => bar?.[Symbol.dispose](),
  };
}

export interface CatchUpProgress extends Disposable {
  show(step: { transactions: number; changes: number; appliedLsn: bigint; uptoLsn: bigint }): void;
}

/** Of catching up with the log: measured in bytes of it. */
export function catchUpProgress(out: Output): CatchUpProgress {
  const bar = out.interactive
    ? new Bar('{bar} {percentage}% of the log  {changes} changes in {transactions} transactions')
    : null;
  let start: bigint | null = null;
  return {
    show: ({ transactions, changes, appliedLsn, uptoLsn }) => {
      start ??= appliedLsn;
      bar?.update(Number(appliedLsn - start), Number(uptoLsn - start), { changes, transactions });
    },
    [Symbol.dispose]: () => bar?.[Symbol.dispose](),
  };
}
