/** Settings of the garbage collector for a run: see docs/decisions/0012-memory-of-a-run.md. */
import v8 from 'node:v8';

/** Two halves of 4 MiB. */
const YOUNG_BYTES = 8 * 2 ** 20;
/** V8 begins with halves of 1 MiB. */
const FROM_THE_FIRST_SIZE = 4;

/**
 * Makes V8 collect the old generation when it has grown by 80 % since the last collection; by default V8 lets it grow up to
 * four times as large. The young generation is small, and the main thread collects it: little survives, and helper threads
 * would wait for a processor on which a server decodes or writes. Call it once in a process that runs the poller, before
 * anything else is loaded, because a heap that has grown does not shrink.
 */
export function boundHeap(): void {
  v8.setFlagsFromString('--heap-growing-percent=80');
  v8.setFlagsFromString('--no-parallel-scavenge');
  v8.setFlagsFromString(`--semi-space-growth-factor=${FROM_THE_FIRST_SIZE}`);
  fillYoungGeneration();
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}

/** Makes the young generation grow once, which takes about 15 ms. It keeps that size afterwards (decision 0028). */
function fillYoungGeneration(): void {
  const survivors: object[] = [];
  for (let i = 0; i < 100_000 && (i % 2_000 > 0 || youngBytes() < YOUNG_BYTES); i++) survivors.push({ i });
}

function youngBytes(): number {
  return v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;
}
