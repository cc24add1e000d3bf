/**
 * Progress on stderr. On a terminal it is a bar, which appears only if the work takes long. Otherwise it is lines, each printed
 * once. Dispose of it before you write anything else.
 */
import { Presets, SingleBar } from 'cli-progress';
import type { Output } from './output.ts';

/** Shorter work gets no bar. */
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

/** Progress of reading the rows of a table. */
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

/** Progress of catching up with the log, in bytes of WAL. */
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

export interface StepProgress extends Disposable {
  show(what: string, done?: number, total?: number): void;
}

/** Progress of work in steps, some of which take long: a line for each step, once the work has taken a while. */
export function stepProgress(out: Output): StepProgress {
  const rows = rowsProgress(out);
  let latest: Parameters<StepProgress['show']> | null = null;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    if (latest !== null) rows.show(...latest);
  }, PATIENCE_MS);
  timer.unref();
  return {
    show: (...step) => {
      latest = step;
      if (isLate) rows.show(...step);
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      rows[Symbol.dispose]();
    },
  };
}
