/** The as-of answer for people. Row values are shown as the JSON text from the store, so no digit changes. */
import { formatTableName } from '../../core/pg/identifiers.ts';
import { jsonMembers, unquoteJson } from '../../core/types/json-text.ts';
import type { Output } from '../output.ts';
import { localTime } from './local-time.ts';
import { plainTable } from './plain-table.ts';
import { printable } from './printable.ts';
import { firstColumns } from './width.ts';
import { wrap } from './wrap.ts';

const REASONS: Readonly<Record<string, string>> = {
  not_yet_inserted: 'it was not there yet',
  deleted: 'it had been deleted',
  not_in_window: 'it was deleted before the retention window',
  before_tracking: 'this is before its tracking began',
  baseline_pending: 'its present rows are still being read',
  in_gap: 'changes may have been lost at that time',
  expired: 'retention has removed it',
  erased: 'it has been erased',
  archive_damaged: 'a file of the archive is missing or damaged',
};

/** Longer values are cut unless `full` is set. */
const LONGEST_VALUE = 1_000;

/** @param answerText the JSON document of an as-of @param full whether to show long values in full */
export function renderAnswer(answerText: string, out: Output, full = false): string {
  const answer = jsonMembers(answerText, 0).members;
  const text = (name: string): string | null => stringOrNull(answer.get(name));
  const { colors } = out;
  const title = `${formatTableName({ schema: text('schema') ?? '', name: text('table') ?? '' })} ${describeKey(answer.get('pk'))}`;
  const requested = point(answer.get('as_of'), 'requested') ?? 'now';
  const lines = [
    wrap(
      `${printable(title)} as of ${printable(requested)}: ${verdict(text('status'), text('reason'), out)}`,
      out.width,
      '  ',
    ),
    '',
  ];
  const row = answer.get('row');
  if (row !== undefined && row !== 'null') {
    const cells = [...jsonMembers(row, 0).members].map(([name, value]) => [name, full ? value : cut(value)]);
    lines.push(plainTable(['column', 'value'], cells, out), '');
  }
  const from = moment(answer.get('valid_from'), out);
  if (from !== null) lines.push(`${text('status') === 'absent' ? 'deleted   ' : 'valid from'}  ${from}`);
  if (from !== null && text('status') === 'found') {
    lines.push(`valid to    ${moment(answer.get('valid_to'), out) ?? colors.dim('(no later version)')}`);
  }
  const further = (line: string): void => void lines.push(wrap(line, out.width, INDENT));
  const context = answer.get('context');
  if (context !== undefined && context !== 'null') further(`context     ${printable(context)}`);
  const incomplete = answer.get('incomplete');
  if (incomplete !== undefined && incomplete !== '[]' && incomplete !== 'null') {
    further(`incomplete  ${printable(incomplete)}: the source did not deliver these values`);
  }
  const assumes = text('assumes');
  if (assumes !== null)
    further(
      `assumes     ${printable(assumes)}: the table is tracked with --no-nan, so every null counts as NULL`,
    );
  if (text('tier') !== null) further('read from   the archive');
  const final = answer.get('final') === 'true';
  lines.push(`known up to ${moment(answer.get('horizon'), out, final ? '; final' : '') ?? 'nothing'}`);
  if (!final) lines.push(INDENT + colors.dim('not final: later commits may still be read'));
  return lines.join('\n');
}

const INDENT = ' '.repeat('valid from  '.length);

function verdict(status: string | null, reason: string | null, { colors }: Output): string {
  const why = reason === null ? '' : ` (${REASONS[reason] ?? reason})`;
  if (status === 'found') return colors.green('found');
  return status === 'absent' ? `${colors.yellow('absent')}${why}` : `${colors.red('unknown')}${why}`;
}

function cut(value: string): string {
  if (value.length <= LONGEST_VALUE) return value;
  const beginning = firstColumns(value.slice(0, LONGEST_VALUE), LONGEST_VALUE);
  return `${beginning}… (${value.length.toLocaleString('en')} characters: --full shows them all)`;
}

function describeKey(pk: string | undefined): string {
  if (pk === undefined || !pk.startsWith('{')) return pk ?? '';
  return [...jsonMembers(pk, 0).members]
    .map(([name, value]) => `${name}=${stringOrNull(value) ?? value}`)
    .join(', ');
}

/** `2026-01-01T00:00:00.000001Z  (0/16B3748, transaction 731)`, and on the next line the local time. */
function moment(value: string | undefined, { colors, width }: Output, ending = ''): string | null {
  if (value === undefined || value === 'null') return null;
  const [ts, lsn, xid] = [point(value, 'ts'), point(value, 'lsn'), point(value, 'xid')];
  const line = `${ts ?? '(time unknown)'}  (${lsn}${xid === null ? '' : `, transaction ${xid}`})${ending}`;
  const local = ts === null ? null : localTime(ts);
  const lines = wrap(line, width - INDENT.length).split('\n');
  if (local !== null) lines.push(colors.dim(local));
  return lines.join(`\n${INDENT}`);
}

function point(object: string | undefined, name: string): string | null {
  if (object === undefined || object === 'null') return null;
  return stringOrNull(jsonMembers(object, 0).members.get(name));
}

function stringOrNull(token: string | undefined): string | null {
  return token?.startsWith('"') ? unquoteJson(token) : null;
}
