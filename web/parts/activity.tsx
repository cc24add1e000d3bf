/** Changes over time as bars. What is not known is hatched: an empty place would say that nothing happened. */
import { useState } from 'preact/hooks';
import { pathTo } from '../address.ts';
import type { Activity, ActivityBucket } from '../documents.ts';
import { localTime, Moment } from './moment.tsx';
import { Link } from './parts.tsx';

interface ActivityProperties {
  readonly node: string;
  readonly answer: Activity;
}

const [WIDTH, HEIGHT] = [1200, 140];

/** How many rows the transactions of a part changed; a TRUNCATE counts as one. */
const size = ({ inserts, updates, deletes, truncates }: ActivityBucket): number =>
  number(inserts) + number(updates) + number(deletes) + number(truncates);
const number = (digits: { toString(): string }): number => Number(`${digits}`);
const sum = (buckets: readonly ActivityBucket[], of: (bucket: ActivityBucket) => number): number =>
  buckets.reduce((total, bucket) => total + of(bucket), 0);

export function ActivityChart({ node, answer }: ActivityProperties) {
  const { buckets } = answer;
  const [first, last] = [buckets[0], buckets.at(-1)];
  if (first === undefined || last === undefined) return <p class="message">No table is tracked yet.</p>;
  const [fromMs, toMs] = [Date.parse(first.from), Date.parse(last.to)];
  const highest = Math.max(1, ...buckets.map(size));
  const place = (ms: number): number => ((ms - fromMs) / (toMs - fromMs)) * WIDTH;
  const total = sum(buckets, (each) => size(each) - number(each.truncates));
  const commits = sum(buckets, (each) => number(each.commits));
  const busy = buckets.filter((each) => number(each.commits) > 0);
  return (
    <figure class="activity">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="group"
        aria-label={`${total.toLocaleString('en')} changes in ${commits.toLocaleString('en')} transactions`}
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
        {unknownParts(answer, { fromMs, toMs }).map(([from, to]) => (
          <rect
            key={from}
            class="unknown-part"
            x={place(from)}
            y={0}
            width={Math.max(2, place(to) - place(from))}
            height={HEIGHT}
            fill="url(#hatch)"
          >
            <title>not known</title>
          </rect>
        ))}
        {buckets.map((bucket, index) => (
          <Bar
            key={bucket.from}
            node={node}
            bucket={bucket}
            x={(index * WIDTH) / buckets.length + 1}
            width={WIDTH / buckets.length - 2}
            height={Math.max(3, Math.sqrt(size(bucket) / highest) * (HEIGHT - 8))}
          />
        ))}
      </svg>
      <figcaption>
        <span>{clock(first.from)}</span>
        <span class="legend">
          <span>
            <span class="swatch" /> inserts and updates
          </span>{' '}
          <span>
            <span class="swatch removed" /> deletes
          </span>{' '}
          <span>
            <span class="swatch unknown" /> not known
          </span>{' '}
          · {total.toLocaleString('en')} changes in {commits.toLocaleString('en')} transactions, height by
          square root
        </span>
        <span>{clock(last.to)}</span>
      </figcaption>
      {busy.length > 0 && <ActivityTable node={node} buckets={busy} />}
    </figure>
  );
}

interface BarProperties {
  readonly node: string;
  readonly bucket: ActivityBucket;
  readonly x: number;
  readonly width: number;
  readonly height: number;
}

function Bar({ node, bucket, x, width, height }: BarProperties) {
  if (number(bucket.commits) === 0) return null;
  const changes = size(bucket) - number(bucket.truncates);
  const removed = height * (changes === 0 ? 1 : number(bucket.deletes) / changes);
  const words = `${clock(bucket.from)}: ${bucket.commits} commits, ${changes} changes, ${bucket.deletes} deletes, ${bucket.truncates} truncates`;
  return (
    <Link to={toTransactions(node, bucket)} aria-label={words}>
      <title>{words}</title>
      <rect class="hit" x={x} y={0} width={width} height={HEIGHT} />
      <rect class="bar" x={x} y={HEIGHT - height} width={width} height={height} />
      <rect class="bar removed" x={x} y={HEIGHT - removed} width={width} height={removed} />
      {number(bucket.truncates) > 0 && <rect class="bar truncated" x={x} y={0} width={width} height={6} />}
    </Link>
  );
}

/** The same as text, for who reads rather than looks. */
function ActivityTable({
  node,
  buckets,
}: {
  readonly node: string;
  readonly buckets: readonly ActivityBucket[];
}) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Activity as a table">
          <table class="grid">
            <thead>
              <tr>
                <th scope="col">after</th>
                {COUNTS.map((name) => (
                  <th key={name} scope="col" class="right">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {buckets.toReversed().map((bucket) => (
                <tr key={bucket.from}>
                  <td>
                    <Link to={toTransactions(node, bucket)}>
                      <Moment ts={bucket.from} />
                    </Link>
                  </td>
                  {COUNTS.map((name) => (
                    <td key={name} class="right number">
                      {number(bucket[name]).toLocaleString('en')}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

const COUNTS = ['commits', 'inserts', 'updates', 'deletes', 'truncates'] as const;

const toTransactions = (node: string, { from, to }: ActivityBucket): string =>
  pathTo(node, 'transactions', { from, to });
const clock = (ts: string): string => localTime(ts).time.slice(0, 5);

/** What lies in holes of the history, and after the horizon. */
function unknownParts(
  { unknown, horizon }: Activity,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): (readonly [number, number])[] {
  const within = (ts: string | null, otherwise: number): number =>
    ts === null ? otherwise : Math.min(Math.max(Date.parse(ts), fromMs), toMs);
  return [
    ...unknown.map(({ from, to }) => [within(from, fromMs), within(to, toMs)] as const),
    [within(horizon?.ts ?? null, fromMs), toMs] as const,
  ].filter(([from, to]) => from < toMs && to > fromMs && to > from);
}
