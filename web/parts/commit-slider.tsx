/** A slider over the commits of a table. */
import type { Transactions } from '../documents.ts';
import { useAnswer } from '../use-answer.ts';
import { Moment } from './moment.tsx';

interface SliderProperties {
  readonly node: string;
  readonly table: string;
  readonly at: string | undefined;
  readonly choose: (lsn: string | undefined) => void;
}

/** The newest commits that touched the table; the right end is now. */
export function CommitSlider({ node, table, at, choose }: SliderProperties) {
  const { answer } = useAnswer<Transactions>(`/v1/nodes/${node}/transactions`, { table, limit: '200' });
  if (answer === null || answer.transactions.length === 0) return null;
  const commits = answer.transactions.toReversed();
  const named = commits.findIndex(({ lsn }) => lsn === at);
  const place = at === undefined ? commits.length : named;
  const commit = commits[place];
  return (
    <div class="slider">
      <label>
        <span>
          As of{' '}
          {at === undefined ? (
            <b>now</b>
          ) : commit ? (
            <>
              commit <Moment ts={commit.ts} />
            </>
          ) : (
            <b>{at}</b>
          )}
        </span>
        <input
          type="range"
          min={0}
          max={commits.length}
          step={1}
          value={Math.max(0, place)}
          aria-valuetext={commit?.ts ?? at ?? 'now'}
          onInput={(event) => choose(commits[event.currentTarget.valueAsNumber]?.lsn)}
        />
      </label>
      <p class="note">
        {commits.length === 1 ? 'The one commit' : `The last ${commits.length} commits`} that touched the
        table, then now.
        {answer.next !== null && ' Older ones: name a time below.'}
      </p>
    </div>
  );
}
