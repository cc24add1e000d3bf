/** The columns of a row on two sides. Those that differ come first and are marked by more than colour. */
import { useState } from 'preact/hooks';
import type { Row } from '../documents.ts';
import { Digits, type Json } from '../exact-json.ts';
import { PlainText } from './plain-text.tsx';
import { Value } from './value.tsx';

const MOST = 60;

export interface DifferencesProperties {
  readonly before: Row | null;
  readonly after: Row | null;
  readonly unknown?: readonly string[];
  readonly labels?: readonly [string, string];
  /** Whether columns that are the same are shown from the start. */
  readonly whole?: boolean;
}

export function Differences({
  before,
  after,
  unknown = [],
  labels = ['before', 'after'],
  whole = false,
}: DifferencesProperties) {
  const [isWhole, setWhole] = useState(whole);
  const names = [...new Set([...Object.keys(after ?? {}), ...Object.keys(before ?? {}), ...unknown])];
  const isChanged = (name: string): boolean =>
    before !== null && after !== null && !isSame(before[name], after[name]);
  const changed = names.filter(isChanged);
  const same = names.filter((name) => !isChanged(name));
  const hasBoth = before !== null && after !== null;
  const shown = isWhole ? [...changed, ...same] : hasBoth ? changed : names.slice(0, MOST);
  const hidden = names.length - shown.length;
  const cell = (row: Row | null, name: string) => {
    if (row === null) return null;
    return name in row || !unknown.includes(name) ? (
      <Value value={row[name]} />
    ) : (
      <span class="no-value">not known</span>
    );
  };
  return (
    <div class="differences">
      <table>
        <thead>
          <tr>
            <th scope="col">column</th>
            {before !== null && <th scope="col">{labels[0]}</th>}
            {after !== null && <th scope="col">{labels[1]}</th>}
          </tr>
        </thead>
        <tbody>
          {shown.map((name) => (
            <tr key={name} class={isChanged(name) ? 'changed' : ''}>
              <th scope="row">
                <PlainText text={name} cut={63} />
              </th>
              {before !== null && <td class={isChanged(name) ? 'old' : ''}>{cell(before, name)}</td>}
              {after !== null && <td class={isChanged(name) ? 'new' : ''}>{cell(after, name)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {hasBoth && changed.length === 0 && <p class="note">No column differs.</p>}
      {(hidden > 0 || isWhole) && same.length > 0 && (hasBoth || names.length > MOST) && (
        <button type="button" class="more" onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'only what differs' : hidden === 1 ? '1 more column' : `${hidden} more columns`}
        </button>
      )}
    </div>
  );
}

export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  if (one instanceof Digits && other instanceof Digits) return one.text === other.text;
  if (typeof one !== 'object' || typeof other !== 'object') return one === other;
  return JSON.stringify(one) === JSON.stringify(other);
}
