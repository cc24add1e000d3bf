/** The versions of one row, newest first: walk them with the arrow keys, compare any two. */
import { useEffect, useState } from 'preact/hooks';
import { go, pathTo } from '../address.ts';
import { ask, Refused } from '../client.ts';
import type { Diff, Version } from '../documents.ts';
import { Digits, type Json, parseExact } from '../exact-json.ts';
import { Differences } from '../parts/differences.tsx';
import { LongList } from '../parts/long-list.tsx';
import { localTime, Moment } from '../parts/moment.tsx';
import { KnownUpTo, Link, Loading, Operation, Problem, Who } from '../parts/parts.tsx';
import { PlainText } from '../parts/plain-text.tsx';
import { RestoreButton } from '../parts/restore.tsx';
import { KeyText } from '../parts/value.tsx';
import { transactionPath } from './transaction.tsx';

type Query = Readonly<Record<string, string>>;
interface Versions {
  readonly frame: Diff | null;
  /** Oldest first, as the API has them. */
  readonly versions: readonly Version[];
  readonly isWhole: boolean;
  readonly problem: Refused | null;
}

/** All versions, page after page. */
function useVersions(node: string, table: string, pk: string): Versions {
  const [state, setState] = useState<Versions>({ frame: null, versions: [], isWhole: false, problem: null });
  useEffect(() => {
    const gone = new AbortController();
    const load = async (): Promise<void> => {
      const versions: Version[] = [];
      let cursor: string | undefined;
      do {
        const parameters = { pk, limit: '1000', cursor };
        const page = await ask<Diff>(
          `/v1/nodes/${node}/tables/${encodeURIComponent(table)}/diff`,
          parameters,
          gone.signal,
        );
        versions.push(...page.changes);
        cursor = page.next_cursor;
        setState({ frame: page, versions: [...versions], isWhole: cursor === undefined, problem: null });
      } while (cursor !== undefined);
    };
    load().catch((error: unknown) => {
      if (gone.signal.aborted) return;
      const problem = error instanceof Refused ? error : new Refused(0, { detail: String(error) });
      setState((before) => ({ ...before, isWhole: true, problem }));
    });
    return () => gone.abort();
  }, [node, table, pk]);
  return state;
}

const LINE = 44;

export function RowView({ node, query }: { readonly node: string; readonly query: Query }) {
  const { table = '', pk = '', at, against } = query;
  const { frame, versions, isWhole, problem } = useVersions(node, table, pk);
  const count = versions.length;
  const place = (lsn: string | undefined): number => versions.findLastIndex((each) => each.lsn === lsn);
  const named = place(at);
  const chosen = named >= 0 ? named : count - 1;
  const other = against === undefined ? chosen - 1 : place(against);
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
      <Loading when={!isWhole && count === 0} />
      {isWhole && count === 0 && problem === null && <p class="message">No version of this row is known.</p>}
      {version !== undefined && (
        <div class="row-view">
          <section aria-labelledby="versions">
            <h2 id="versions">
              {count.toLocaleString('en')} {count === 1 ? 'version' : 'versions'}
              {!isWhole && <span class="note"> so far …</span>}
            </h2>
            <LongList
              count={count}
              lineHeight={LINE}
              label="Versions, newest first"
              chosen={count - 1 - chosen}
              onChoose={(index) => show({ at: versions[count - 1 - index]!.lsn })}
              line={(index) => <VersionLine version={versions[count - 1 - index]!} />}
            />
            <p class="note">← older, → newer</p>
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
              key={`${chosen} ${other}`}
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
  const near = (index: number): boolean =>
    Math.abs(index - chosen) < CHOICES / 2 || index === 0 || index === versions.length - 1 || index === other;
  const offered = versions
    .map((each, index) => ({ each, index }))
    .filter(({ index }) => index !== chosen && near(index));
  return (
    <select
      aria-label="Compared with"
      value={other < 0 ? '' : versions[other]!.lsn}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      <option value="">the version before</option>
      {offered.toReversed().map(({ each, index }) => {
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
