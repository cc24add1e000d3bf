/** The status for people, on lines that fit the terminal, with local time below UTC. */
import { formatBytes } from '../../core/types/byte-size.ts';
import type { NodeStatusDocument, StatusDocument, TableStatusDocument } from '../../documents/status.ts';
import type { Output } from '../output.ts';
import { checkLines } from './checks.ts';
import { localTime, timeLines } from './local-time.ts';
import { type Cell, plainTable } from './plain-table.ts';
import { printable } from './printable.ts';
import { wrap } from './wrap.ts';

export function renderStatus(document: StatusDocument, out: Output): string {
  const blocks = document.nodes.map((node) => renderNode(node, out));
  if (blocks.length === 0) blocks.push('The store has no nodes yet. Begin with: pgtimewarp init');
  if (document.source_error !== null)
    blocks.push(
      out.colors.yellow(wrap(`Lag and slot are not known: ${printable(document.source_error)}`, out.width)),
    );
  return blocks.join('\n\n');
}

function renderNode(node: NodeStatusDocument, out: Output): string {
  const { colors } = out;
  const reason = node.status_reason === null ? '' : ` (${printable(node.status_reason)})`;
  const paint = node.status === 'active' ? colors.green : colors.red;
  const { horizon, last_run: run } = node;
  const title = `${colors.bold(node.node)}  ${paint(node.status)}${reason}  database ${printable(node.database)}, ${node.plugin}`;
  const lines = [
    wrap(title, out.width, '  '),
    fact('horizon', horizon === null ? 'none' : `${horizon.ts}  (${horizon.lsn})${lag(node)}`, out),
    ...clockHere(horizon?.ts, out),
    fact('slot', describeSlot(node), out),
    fact('last run', run === null ? 'never' : `${run.at}  ${run.outcome ?? ''}`, out),
    ...clockHere(run?.at, out),
  ];
  for (const check of node.checks)
    lines.push(
      ...checkLines({ checks: [check], remedy: check.remedy }, out, { left: '  ', width: INDENT.length }),
    );
  for (const { pattern, not_tracked } of node.followed) {
    lines.push(fact('follows', pattern, out));
    for (const { reason } of not_tracked)
      lines.push(wrap(`${INDENT}not tracked: ${printable(reason)}`, out.width, INDENT));
  }
  const tables =
    node.tables.length === 0
      ? '  No tables are tracked.'
      : indent(
          plainTable(['table', 'status', 'answers from', 'size', 'baseline'], node.tables.map(tableCells), {
            colors,
            width: out.width - 2,
          }),
        );
  return [...lines, '', tables].join('\n');
}

const INDENT = ' '.repeat('  last run '.length);

function fact(name: string, text: string, { width }: Output): string {
  return wrap(`  ${name}`.padEnd(INDENT.length) + text, width, INDENT);
}

function clockHere(utc: string | undefined, { colors }: Output): string[] {
  const local = utc === undefined ? null : localTime(utc);
  return local === null ? [] : [INDENT + colors.dim(local)];
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

function tableCells(table: TableStatusDocument): Cell[] {
  const { state, rows, estimated_rows: estimated } = table.baseline;
  const progress =
    state === 'pending' ? `pending, ${rows} of about ${Math.max(rows, estimated)} rows` : state;
  const oldest = table.oldest?.ts ?? table.tracked_from?.ts ?? null;
  const size = `${formatBytes(table.size_bytes ?? 0)}${table.ranges > 0 ? ` in ${table.ranges} ranges` : ''}`;
  const status = `${table.status}${table.no_nan ? ', no-nan' : ''}`;
  return [table.table, status, oldest === null ? '(waiting)' : timeLines(oldest), size, progress];
}

function lag(node: NodeStatusDocument): string {
  return node.lag_seconds === null || node.lag_bytes === null
    ? ''
    : `  ${node.lag_seconds} s, ${formatBytes(node.lag_bytes)} behind`;
}

function describeSlot({ slot }: NodeStatusDocument): string {
  if (slot.present === null) return slot.name;
  if (!slot.present) return `${slot.name}  MISSING`;
  const kept = slot.retained_bytes === null ? '' : `, keeps ${formatBytes(slot.retained_bytes)} of WAL`;
  return `${slot.name}  at ${slot.confirmed_lsn ?? '(nowhere)'} (${slot.wal_status ?? 'no WAL'}${kept})`;
}
