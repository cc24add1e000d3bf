/** Events for people: time and code on one line, the message below it. */
import type { HealthEvent } from '../../core/doctor/events.ts';
import type { Output } from '../output.ts';
import { localTime, withLocalTimes } from './local-time.ts';
import { printable } from './printable.ts';
import { wrap } from './wrap.ts';

const INDENT = '    ';

export function renderEvents(events: readonly HealthEvent[], out: Output): string {
  return events.length === 0
    ? 'No events.'
    : events.map((event) => renderEvent(event, out).join('\n')).join('\n\n');
}

function renderEvent({ ts, severity, code, message }: HealthEvent, { colors, width }: Output): string[] {
  const paint = { fail: colors.red, warn: colors.yellow, info: colors.green }[severity];
  const local = localTime(ts);
  return [
    wrap(`${ts}  ${paint(severity)}  ${printable(code)}`, width, INDENT),
    ...(local === null ? [] : [colors.dim(local)]),
    wrap(INDENT + withLocalTimes(printable(message)), width, INDENT),
  ];
}
