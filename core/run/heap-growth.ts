/** How garbage is collected while a run reads: see docs/decisions/0012-memory-of-a-run.md. */
import v8 from 'node:v8';

/**
 * Has V8 collect the old generation when it has grown by four fifths since the last time; by itself it waits until it is
 * up to four times as large. The young generation is collected by the thread that makes the garbage: little survives,
 * and helpers would have to wait for a processor on which a server decodes or writes. For a process that runs the
 * poller: call it once, at its start.
 */
export function boundHeapGrowth(): void {
  v8.setFlagsFromString('--heap-growing-percent=80');
  v8.setFlagsFromString('--no-parallel-scavenge');
}
