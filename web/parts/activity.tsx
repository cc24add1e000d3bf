/** Changes over time as bars. What is not known is hatched: an empty place would say that nothing happened. */
import { pathTo } from '../address.ts';
import type { Transaction, Transactions } from '../documents.ts';
import { localTime } from './moment.tsx';
import { Link } from './parts.tsx';

interface ActivityProperties {
  readonly node: string;
  readonly answer: Transactions;
  readonly fromMs: number;
  readonly toMs: number;
}

interface Bar {
  commits: number;
  changes: number;
  removals: number;
  truncates: number;
}

const BARS = 60;
const [WIDTH, HEIGHT] = [1200, 140];

export function Activity({ node, answer, fromMs, toMs }: ActivityProperties) {
  const stepMs = (toMs - fromMs) / BARS;
  const bars = countBars(answer.transactions, { fromMs, stepMs });
  const highest = Math.max(1, ...bars.map(({ changes, truncates }) => changes + truncates));
  const place = (ms: number): number => (Math.min(Math.max(ms, fromMs), toMs) - fromMs) / (toMs - fromMs);
  const unknown = unknownParts(answer, { fromMs, toMs }).map(
    ([from, to]) => [place(from) * WIDTH, place(to) * WIDTH] as const,
  );
  const at = (index: number): string => new Date(fromMs + index * stepMs).toISOString().replace('Z', '000Z');
  const clock = (index: number): string => localTime(at(index)).time.slice(0, 5);
  const total = bars.reduce((sum, { changes }) => sum + changes, 0);
  return (
    <figure class="activity">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="group"
        aria-label={`${total} changes in ${answer.transactions.length} transactions`}
      >
        <defs>
          <pattern
            id="hatch"
            width="8"
            height="8"
            patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)"
          >
            <rect width="3" height="8" class="hatch" />
          </pattern>
        </defs>
        {unknown.map(([from, to]) => (
          <rect key={from} x={from} y={0} width={Math.max(2, to - from)} height={HEIGHT} fill="url(#hatch)">
            <title>not known</title>
          </rect>
        ))}
        {bars.map((bar, index) => {
          if (bar.commits === 0) return null;
          const height = Math.max(
            3,
            (Math.sqrt(bar.changes + bar.truncates) / Math.sqrt(highest)) * (HEIGHT - 8),
          );
          const removed = bar.changes === 0 ? 1 : bar.removals / bar.changes;
          const x = (index * WIDTH) / BARS + 1;
          const words = `${clock(index)}: ${bar.commits} commits, ${bar.changes} changes, ${bar.removals} deletes, ${bar.truncates} truncates`;
          return (
            <Link
              key={index}
              to={pathTo(node, 'transactions', { from: at(index), to: at(index + 1) })}
              aria-label={words}
            >
              <title>{words}</title>
              <rect class="hit" x={x} y={0} width={WIDTH / BARS - 2} height={HEIGHT} />
              <rect class="bar" x={x} y={HEIGHT - height} width={WIDTH / BARS - 2} height={height} />
              <rect
                class="bar removed"
                x={x}
                y={HEIGHT - height * removed}
                width={WIDTH / BARS - 2}
                height={height * removed}
              />
              {bar.truncates > 0 && (
                <rect class="bar truncated" x={x} y={0} width={WIDTH / BARS - 2} height={6} />
              )}
            </Link>
          );
        })}
      </svg>
      <figcaption>
        <span>{clock(0)}</span>
        <span class="legend">
          <span class="swatch" /> inserts and updates <span class="swatch removed" /> deletes{' '}
          <span class="swatch unknown" /> not known
          {answer.next !== null && ' or not counted: only the newest 1,000 transactions are'} ·{' '}
          {total.toLocaleString('en')} changes, height by square root
        </span>
        <span>{clock(BARS)}</span>
      </figcaption>
    </figure>
  );
}

function countBars(
  transactions: readonly Transaction[],
  { fromMs, stepMs }: { readonly fromMs: number; readonly stepMs: number },
): Bar[] {
  const bars = Array.from(
    { length: BARS },
    (): Bar => ({ commits: 0, changes: 0, removals: 0, truncates: 0 }),
  );
  for (const { ts, rows, tables } of transactions) {
    const bar = bars[Math.min(BARS - 1, Math.floor((Date.parse(ts) - fromMs) / stepMs))];
    if (bar === undefined) continue;
    bar.commits += 1;
    bar.changes += Number(`${rows}`);
    bar.removals += tables.reduce((sum, { deletes }) => sum + Number(`${deletes}`), 0);
    bar.truncates += tables.reduce((sum, { truncates }) => sum + Number(`${truncates}`), 0);
  }
  return bars;
}

/** Gaps, what lies after the horizon, and what lies before the oldest transaction that was counted. */
function unknownParts(
  answer: Transactions,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): [number, number][] {
  const parts = answer.unknown.map(({ from, to }): [number, number] => [
    from === null ? fromMs : Date.parse(from),
    to === null ? toMs : Date.parse(to),
  ]);
  parts.push([answer.horizon === null ? fromMs : Date.parse(answer.horizon.ts), toMs]);
  const oldest = answer.transactions.at(-1);
  if (answer.next !== null && oldest !== undefined) parts.push([fromMs, Date.parse(oldest.ts)]);
  return parts.filter(([from, to]) => to > fromMs && from < toMs && to > from);
}
