/** The events of a node, newest first. */
import type { HealthEvent } from '../core/doctor/events.ts';

export interface EventsDocument {
  readonly node: string;
  readonly events: readonly HealthEvent[];
}

export function eventsDocument(node: string, events: readonly HealthEvent[]): EventsDocument {
  return {
    node,
    events: events.map(({ id, ts, severity, code, message }) => ({ id, ts, severity, code, message })),
  };
}
