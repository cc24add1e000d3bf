/** The versions of one row, newest first: walk them with the arrow keys, compare any two. */
import { useEffect, useState } from 'preact/hooks';
import { go, pathTo } from '../address.ts';
import type { NodeDocument, Version } from '../documents.ts';
import { Digits, type Json, parseExact } from '../exact-json.ts';
import { Differences } from '../parts/differences.tsx';
import { LongList } from '../parts/long-list.tsx';
import { localTime, Moment } from '../parts/moment.tsx';
import { KnownUpTo, Link, Loading, Operation, Problem, Who } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { RestoreButton } from '../parts/restore.tsx';
import { KeyText } from '../parts/value.tsx';
import { useVersions } from '../use-versions.ts';
import { transactionPath } from './transaction.tsx';

type Query = Readonly<Record<string, string>>;

const LINE = 44;

interface RowViewProperties {
  readonly node: NodeDocument;
  readonly query: Query;
}

export function RowView({ node: { node, horizon }, query }: RowViewProperties) {
  const { table = '', pk = '', at, against } = query;
  const asked = useVersions({ node, table, pk }, horizon?.lsn);
  const { frame, versions, added, isWhole, isLoading, problem, older } = asked;
  // a view without a version in its address stays at the one that was the newest, whatever runs add
  const [pinned, setPinned] = useState<string>();
  const shown = at ?? pinned;
  const count = versions.length;
  const place = (lsn: string | undefined): number => versions.findIndex((each) => each.lsn === lsn);
  const named = place(shown);
  const rival = against === undefined ? -1 : place(against);
  const isSought = !isWhole && ((shown !== undefined && named < 0) || (against !== undefined && rival < 0));
  const chosen = named >= 0 || isSought ? named : count - 1 < 0 ? -1 : 0;
  const other = against === undefined ? chosen + 1 : rival;
  useEffect(() => {
    if (pinned === undefined && count > 0) setPinned(versions[0]!.lsn);
    if (problem === null && !isLoading && count > 0 && (isSought || chosen + 2 > count)) older();
  });
  const show = (change: Query): void => go(pathTo(node, 'row', { ...query, ...change }), { replace: true });
  const version = versions[chosen];
  const before = versions[other];
  return (
    <>
      <p class="path">
        <Link to={pathTo(node, 'table', { table })}>
          <PlainText text={table} cut={130} />
        </Link>
      </p>
      <h1>
        Row <KeyText pk={keyOf(pk)} />
      </h1>
      <Problem problem={problem} />
      <KnownUpTo frame={frame} />
      <Loading when={isLoading && version === undefined} />
      {isWhole && count === 0 && problem === null && <p class="message">No version of this row is known.</p>}
      {version !== undefined && (
        <div class="row-view">
          <section aria-labelledby="versions">
            <h2 id="versions">
              {count.toLocaleString('en')} {count === 1 ? 'version' : 'versions'}
              {!isWhole && <span class="note"> so far</span>}
            </h2>
            {at === undefined && chosen > 0 && (
              <p role="status">
                <button type="button" onClick={() => show({ at: versions[0]!.lsn })}>
                  {chosen.toLocaleString('en')} newer {chosen === 1 ? 'version' : 'versions'}
                </button>
              </p>
            )}
            <LongList
              count={count}
              added={added}
              isWhole={isWhole}
              lineHeight={LINE}
              label="Versions, newest first"
              chosen={chosen}
              onChoose={(index) => show({ at: versions[index]!.lsn })}
              onNearEnd={older}
              line={(index) => <VersionLine version={versions[index]!} />}
            />
            <p class="note">← older, → newer{!isWhole && '; older ones are loaded on the way down'}</p>
          </section>
          <section aria-labelledby="chosen" aria-live="polite">
            <h2 id="chosen">
              <Operation op={version.op} /> <Moment ts={version.ts} />
            </h2>
            <dl class="facts">
              <dt>Who</dt>
              <dd>
                <Who context={version.context} />
              </dd>
              <dt>Transaction</dt>
              <dd>
                {version.xid === null ? (
                  <span class="no-value">read from the table</span>
                ) : (
                  <Link to={transactionPath(node, version.lsn, version.xid)}>{version.xid}</Link>
                )}{' '}
                <span class="note number">{version.lsn}</span>
              </dd>
              <dt>Compared with</dt>
              <dd>
                <Compare
                  versions={versions}
                  chosen={chosen}
                  other={against === undefined ? -1 : other}
                  choose={(lsn) => show({ against: lsn })}
                />
              </dd>
            </dl>
            {version.row !== null && (
              <RestoreButton
                node={node}
                question={{ table, pk: askedKey(pk), at: version.lsn }}
                label="Restore to here …"
              />
            )}
            {version.omitted && <p class="note">Too large to show here: {version.omitted.join(', ')}.</p>}
            <Differences
              key={`${version.lsn} ${before?.lsn}`}
              before={before?.row ?? null}
              after={version.row}
              labels={
                against === undefined ? ['version before', 'this version'] : ['other version', 'this version']
              }
              whole={count < 2 || Object.keys(version.row ?? {}).length <= 40}
              {...(version.incomplete ? { unknown: version.incomplete } : {})}
            />
            {version.row === null && <p class="note">After this the row is not there.</p>}
          </section>
        </div>
      )}
    </>
  );
}

function VersionLine({ version: { op, ts, changed } }: { readonly version: Version }) {
  const { day, time } = localTime(ts);
  const names = Object.keys(changed ?? {});
  return (
    <>
      <Operation op={op} />
      <span class="when">
        {day} <b>{time}</b>
      </span>
      <span class="what">
        {names.slice(0, 3).join(', ')}
        {names.length > 3 && ` +${names.length - 3}`}
      </span>
    </>
  );
}

interface CompareProperties {
  readonly versions: readonly Version[];
  readonly chosen: number;
  readonly other: number;
  readonly choose: (lsn: string) => void;
}

const CHOICES = 200;

/** Every version while there are few; of many, those around the chosen one, and the ends. */
function Compare({ versions, chosen, other, choose }: CompareProperties) {
  const last = versions.length - 1;
  const first = Math.max(0, chosen - CHOICES / 2);
  const near = versions.slice(first, chosen + CHOICES / 2).map((_, index) => first + index);
  const offered = [...new Set([0, ...near, last, other])]
    .filter((index) => index >= 0 && index !== chosen)
    .toSorted((one, another) => one - another);
  return (
    <select
      aria-label="Compared with"
      value={other < 0 ? '' : versions[other]!.lsn}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      <option value="">the version before</option>
      {offered.map((index) => {
        const each = versions[index]!;
        const { day, time } = localTime(each.ts);
        return (
          <option key={index} value={each.lsn}>
            {day} {time}
          </option>
        );
      })}
    </select>
  );
}

/** The key as a question has it: an object, or a bare value. */
function askedKey(pk: string): Json {
  try {
    const parsed = parseExact(pk);
    const isObject = typeof parsed === 'object' && parsed !== null;
    if (isObject && !(parsed instanceof Digits) && !Array.isArray(parsed)) return parsed;
  } catch {
    // a bare value
  }
  return pk;
}

/** The key in an address: JSON, or what somebody typed. */
function keyOf(pk: string): Readonly<Record<string, string>> {
  try {
    const parsed = JSON.parse(pk) as unknown;
    if (typeof parsed === 'object' && parsed !== null)
      return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, String(value)]));
  } catch {
    // a bare value
  }
  return { key: pk };
}
