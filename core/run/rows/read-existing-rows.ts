/** Reads baselines and repairs for a part of the run's time, because the horizon does not move meanwhile. */
import type { Locker } from '../../types/tracking.ts';
import type { RunContext } from '../run-context.ts';
import { type BaselineStep, readBaselines } from './read-baseline.ts';
import { readRepairs } from './read-repairs.ts';

interface ReadExistingRowsOptions {
  readonly mayGoOn: () => boolean;
  readonly onProgress: (table: string, step: BaselineStep) => void;
  /** Called with the transactions that a table waits for. */
  readonly onWaiting: (lockers: readonly Locker[]) => void;
}

/** Call it after the horizon has moved. */
export async function readExistingRows(
  { source, store, claim, node, limits }: RunContext,
  { mayGoOn, onProgress, onWaiting }: ReadExistingRowsOptions,
): Promise<void> {
  const options = {
    ...{ source, store, claim, plugin: node.plugin, mayGoOn, onProgress, onWaiting },
    onSource: <T>(work: () => Promise<T>) => limits.onSource(work),
    checkStop: () => limits.checkStop(),
  };
  await readBaselines(options);
  await readRepairs(options);
}
