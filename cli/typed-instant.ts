/**
 * Points in time as people type them: `now`, `-15m`, `2026-01-31`, `2026-01-31 09:41`, in the time zone of the terminal.
 * Also the forms that core, HTTP and SQL take: RFC 3339 with an offset, or an LSN.
 */
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { type Instant, parseInstant } from '../core/query/instant.ts';
import { durationSeconds } from './arguments.ts';
import type { Output } from './output.ts';
import { offsetText } from './render/local-time.ts';

export interface TypedInstant {
  readonly instant: Instant;
  /** The interpreted instant with its zone, to show to the user. null: it was typed with an offset, or is an LSN. */
  readonly understood: string | null;
}

/** For `--help`: the forms that {@link readInstant} takes. */
export const INSTANT_FORMS = 'RFC 3339, "2026-01-31 09:41" (local time), -15m, now, or an LSN';

const AGO = /^-([1-9]\d{0,8}[smhd])$/;
const LOCAL = /^(\d{4})-(\d\d)-(\d\d)(?: ([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,6}))?)?)?$/;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** The instant that an option names. If it depends on the terminal's time zone, the interpretation is printed to stderr. */
export function instantOption(option: string, text: string, out: Output): Instant {
  const { instant, understood: said } = readInstant(text);
  if (said !== null) out.note(`${option} is ${said}`);
  return instant;
}

/** Whether the text means another instant every time. */
export function isMoving(text: string): boolean {
  return text === 'now' || AGO.test(text);
}

/**
 * Reads a point in time. Throws BAD_TIME, also for local times that the zone's clocks showed twice or never.
 * @param nowMs the present time
 */
export function readInstant(text: string, nowMs: number = Date.now()): TypedInstant {
  if (text === 'now') return understood(nowMs, offsetAt(nowMs));
  const ago = AGO.exec(text);
  if (ago !== null) {
    const atMs = nowMs - durationSeconds(ago[1]!) * 1000;
    if (!Number.isFinite(new Date(atMs).getTime()))
      throw new TimewarpError('BAD_TIME', `Not a point in time: ${text} is too long ago.`);
    return understood(atMs, offsetAt(atMs));
  }
  const local = LOCAL.exec(text);
  if (local !== null) return readLocal(text, local);
  try {
    return { instant: parseInstant(text), understood: null };
  } catch (error) {
    if (!(error instanceof TimewarpError)) throw error;
    const remedy = 'Write -15m, "2026-01-31 09:41", 2026-01-31T09:41:00Z, or an LSN such as 0/16B3748.';
    throw new TimewarpError(error.code, error.message, { remedy, facts: error.facts });
  }
}

function readLocal(text: string, parts: RegExpExecArray): TypedInstant {
  const [year, month, day, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map((part) => (part === undefined ? undefined : Number.parseInt(part, 10))) as [
    number,
    number,
    number,
    number?,
    number?,
    number?,
  ];
  const wall = new Date(0);
  wall.setUTCFullYear(year, month - 1, day);
  wall.setUTCHours(hour, minute, second);
  if (wall.getUTCMonth() !== month - 1)
    throw new TimewarpError('BAD_TIME', `Not a point in time: the calendar has no ${text}.`);
  const unknown = unknownZone(wall.getTime());
  if (unknown !== null) {
    throw new TimewarpError(
      'BAD_TIME',
      `The time zone TZ=${unknown} is not known here, so ${text} names no instant.`,
      {
        remedy: `Write it with an offset: ${withOffset(text, 120)}. Or set TZ to a name such as Europe/Berlin.`,
      },
    );
  }
  const offsets = offsetsOf(wall.getTime());
  const [offset] = offsets;
  if (offset === undefined) {
    throw new TimewarpError('BAD_TIME', `${text} was skipped by the clocks of ${zone()}.`, {
      remedy: `Write it with an offset: ${withOffset(text, offsetAt(wall.getTime()))}`,
    });
  }
  if (offsets.length > 1) {
    throw new TimewarpError('BAD_TIME', `The clocks of ${zone()} showed ${text} twice.`, {
      remedy: `Write which one: ${offsets.map((each) => withOffset(text, each)).join(' or ')}`,
    });
  }
  return understood(wall.getTime() - offset * MINUTE_MS, offset, parts[7]);
}

/** The offsets, in minutes, at which the zone's clocks show the time: one, none in spring, two in autumn. */
function offsetsOf(wallMs: number): number[] {
  const around = new Set([offsetAt(wallMs - DAY_MS), offsetAt(wallMs + DAY_MS)]);
  return [...around].filter((offset) => offsetAt(wallMs - offset * MINUTE_MS) === offset);
}

/** The offset in minutes east of UTC. */
function offsetAt(atMs: number): number {
  return -new Date(atMs).getTimezoneOffset();
}

/** @param fraction the decimals of the second that the user typed; by default those of `atMs` */
function understood(atMs: number, offset: number, fraction?: string): TypedInstant {
  const wall = new Date(atMs + offset * MINUTE_MS).toISOString();
  const [seconds, milliseconds] = wall.replace('Z', '').split('.') as [string, string];
  const decimals = (fraction ?? milliseconds).replace(/0+$/, '');
  const text = `${seconds}${decimals === '' ? '' : `.${decimals}`}${offsetText(offset)}`;
  return { instant: parseInstant(text), understood: `${text} (${zone()})` };
}

function withOffset(text: string, offset: number): string {
  const [day, clock = '00:00'] = text.split(' ') as [string, string?];
  return `${day}T${clock.length === 5 ? `${clock}:00` : clock}${offsetText(offset)}`;
}

/** Names of UTC, which Node knows under one name. */
const UTC = /^:?(posix\/|etc\/)?(utc|gmt|uct|zulu|universal|greenwich)([-+]?0)?$/i;

/** The TZ that Node does not know, for example CET-1CEST: it then counts in UTC, as if that had been asked for. null: it knows it. */
function unknownZone(atMs: number): string | null {
  const asked = process.env.TZ ?? '';
  if (asked === '' || UTC.test(asked) || offsetAt(atMs) !== 0) return null;
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions() as { readonly timeZone?: string };
  return timeZone === undefined || /^(Etc\/)?(UTC|Unknown)$/.test(timeZone) ? asked : null;
}

function zone(): string {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions() as { readonly timeZone?: string };
  return timeZone ?? process.env.TZ ?? 'UTC'; // of a TZ that is a path or a rule Node knows the offset only
}
