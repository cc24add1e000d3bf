/** A time in the viewer's zone with UTC beside it, to the microsecond. The API's text keeps the microseconds; a Date gives the zone. */

const two = (number: number): string => String(number).padStart(2, '0');

interface LocalTime {
  readonly day: string;
  readonly time: string;
  readonly offset: string;
}

/** @param ts RFC 3339, UTC, six decimals */
export function localTime(ts: string): LocalTime {
  const date = new Date(`${ts.slice(0, 19)}Z`);
  if (Number.isNaN(date.getTime())) return { day: ts, time: '', offset: '' };
  const minutes = -date.getTimezoneOffset();
  const sign = minutes < 0 ? '−' : '+';
  const offset = `${sign}${two(Math.trunc(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return {
    day: `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    time: `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${ts.slice(19, 26)}`,
    offset,
  };
}

export function Moment({ ts }: { readonly ts: string | null }) {
  if (ts === null) return <span class="no-value">time not known</span>;
  const { day, time, offset } = localTime(ts);
  const utc = ts.replace('T', ' ').replace('Z', '');
  return (
    <time class="moment" dateTime={ts}>
      <span class="local">
        {day} <b>{time}</b> {offset === '+00:00' ? 'UTC' : offset}
      </span>
      {offset !== '+00:00' && <span class="utc">{utc} UTC</span>}
    </time>
  );
}

/** How long ago, roughly. */
export function ago(ts: string, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(ts)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}
