/** Small parts that many views share: links, marks of operations, who did it, problems, what is not known. */
import type { ComponentChildren } from 'preact';
import { go } from '../address.ts';
import type { Refused } from '../client.ts';
import type { Frame, UnknownInterval } from '../documents.ts';
import { Digits, type Json } from '../exact-json.ts';
import { Moment } from './moment.tsx';
import { PlainText } from './plain-text.tsx';
import { plainValue } from './value.tsx';

interface LinkProperties {
  readonly to: string;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly 'aria-label'?: string;
  readonly 'aria-current'?: 'page' | undefined;
}

/** A link to another view. With Ctrl or the middle button the browser opens it as it opens any link. */
export function Link({ to, children, ...others }: LinkProperties) {
  const follow = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={to} onClick={follow} {...others}>
      {children}
    </a>
  );
}

const OPERATIONS: Readonly<Record<string, string>> = {
  I: 'insert',
  U: 'update',
  D: 'delete',
  T: 'truncate',
  S: 'read',
};

export function Operation({ op }: { readonly op: string }) {
  return <span class={`operation ${OPERATIONS[op] ?? ''}`}>{OPERATIONS[op] ?? op}</span>;
}

/** What a transaction said about itself. */
export function Who({ context }: { readonly context: Json }) {
  if (context === null) return <span class="no-value">did not say</span>;
  if (typeof context !== 'object' || context instanceof Digits || Array.isArray(context))
    return <PlainText text={plainValue(context)} cut={80} />;
  const entries = Object.entries(context);
  return (
    <span class="who">
      {entries.slice(0, 6).map(([name, value]) => (
        <span key={name} class="tag">
          <span class="name">
            <PlainText text={name} cut={40} />
          </span>{' '}
          <PlainText text={plainValue(value)} cut={80} />
        </span>
      ))}
      {entries.length > 6 && <span class="note">and {entries.length - 6} more</span>}
    </span>
  );
}

export function Problem({ problem }: { readonly problem: Refused | null }) {
  if (problem === null) return null;
  return (
    <div class="message wrong" role="alert">
      <p>
        <PlainText text={problem.message} cut={600} />
      </p>
      {problem.remedy && (
        <p class="note">
          <PlainText text={problem.remedy} cut={600} />
        </p>
      )}
    </div>
  );
}

const REASONS: Readonly<Record<string, string>> = {
  before_tracking: 'before tracking',
  baseline_pending: 'rows are still being read',
  in_gap: 'gap in the log',
  expired: 'history has expired',
  erased: 'history was erased',
};

export const reasonText = (reason: string): string => REASONS[reason] ?? reason.replaceAll('_', ' ');

/** Always shown: up to when the answer is known, and which parts of it are not. */
export function KnownUpTo({ frame }: { readonly frame: Omit<Frame, 'next'> | null }) {
  if (frame === null) return null;
  return (
    <div class="known">
      <span>
        Known up to {frame.horizon === null ? <b>nothing yet</b> : <Moment ts={frame.horizon.ts} />}
        {!frame.final && <span class="note"> · may still change</span>}
      </span>
      <Unknown intervals={frame.unknown} />
    </div>
  );
}

export function Unknown({ intervals }: { readonly intervals: readonly UnknownInterval[] }) {
  if (intervals.length === 0) return null;
  return (
    <ul class="unknown" aria-label="Not known">
      {intervals.slice(0, 20).map((each, index) => (
        <li key={index}>
          <b>Not known: {reasonText(each.reason)}</b>{' '}
          {each.from === null ? 'up to' : <Moment ts={each.from} />}
          {each.from !== null && ' to '}
          {each.to === null ? 'now' : <Moment ts={each.to} />}
          {each.tables && (
            <span class="note"> {each.tables.map((of) => `${of.schema}.${of.table}`).join(', ')}</span>
          )}
        </li>
      ))}
      {intervals.length > 20 && <li>and {intervals.length - 20} more</li>}
    </ul>
  );
}

export function Loading({ when }: { readonly when: boolean }) {
  return (
    <p class="note loading" role="status">
      {when ? 'Asking …' : ''}
    </p>
  );
}
