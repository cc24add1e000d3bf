/** The JSON text of a diff page: the same document from the command line and from HTTP, row texts verbatim. */
import type { DiffChange, DiffPage } from '../core/query/diff.ts';

/** `{changes, unknown, from, to, horizon, final, next_cursor}`; next_cursor only when another page follows. */
export function diffPageText(page: DiffPage): string {
  const horizon = page.horizon && `{"lsn":${quote(page.horizon.lsn)},"ts":${quote(page.horizon.ts)}}`;
  const members = [
    `"changes":[${page.changes.map(changeText).join(',')}]`,
    `"unknown":${page.unknownText}`,
    `"from":${quote(page.from)}`,
    `"to":${quote(page.to)}`,
    `"horizon":${horizon}`,
    `"final":${page.final}`,
  ];
  if (page.nextCursor !== null) members.push(`"next_cursor":${quote(page.nextCursor)}`);
  return `{${members.join(',')}}`;
}

function changeText(change: DiffChange): string {
  const { incomplete, assumes, omitted } = change;
  const further = Object.entries({ incomplete, assumes, omitted })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `,"${name}":${JSON.stringify(value)}`)
    .join('');
  return (
    `{"op":${quote(change.op)},"lsn":${quote(change.lsn)},"ts":${quote(change.ts)},"xid":${quote(change.xid)},` +
    `"row":${change.rowText},"changed":${change.changedText},"context":${change.contextText}${further}}`
  );
}

function quote(text: string | null): string {
  return JSON.stringify(text);
}
