/** How garbage is collected while a run reads: see docs/decisions/0012-memory-of-a-run.md. */
import v8 from 'node:v8';

/** Two halves of 4 MiB. */
const YOUNG_BYTES = 8 * 2 ** 20;
/** V8 begins with halves of 1 MiB. */
const FROM_THE_FIRST_SIZE = 4;

/**
 * Has V8 collect the old generation when it has grown by four fifths since the last time; by itself it waits until it is
 * up to four times as large. The young generation is small, and is collected by the thread that makes the garbage: little
 * survives, and helpers would have to wait for a processor on which a server decodes or writes. For a process that runs the
 * poller: call it once, before anything else is loaded, since what has grown stays.
 */
export function boundHeap(): void {
  v8.setFlagsFromString('--heap-growing-percent=80');
  v8.setFlagsFromString('--no-parallel-scavenge');
  v8.setFlagsFromString(`--semi-space-growth-factor=${FROM_THE_FIRST_SIZE}`);
  fillYoungGeneration();
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}

/** Until it has grown once, which takes some 15 ms; it keeps that size from then on (decision 0028). */
function fillYoungGeneration(): void {
  const survivors: object[] = [];
  for (let i = 0; i < 100_000 && (i % 2_000 > 0 || youngBytes() < YOUNG_BYTES); i++) survivors.push({ i });
}

function youngBytes(): number {
  return v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;
}
