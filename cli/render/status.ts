/** The status for people. */
import type { Check } from '../../core/doctor/check.ts';
import type { NodeStatusDocument, StatusDocument, TableStatusDocument } from '../commands/status.ts';
import type { Output } from '../output.ts';
import { plainTable } from './plain-table.ts';
import { printable } from './printable.ts';

export function renderStatus(document: StatusDocument, out: Output): string {
  const blocks = document.nodes.map((node) => renderNode(node, out));
  if (blocks.length === 0) blocks.push('The store has no nodes yet. Begin with: pgtimewarp init');
  if (document.source_error !== null)
    blocks.push(out.colors.yellow(`Lag and slot are not known: ${printable(document.source_error)}`));
  return blocks.join('\n\n');
}

function renderNode(node: NodeStatusDocument, out: Output): string {
  const { colors } = out;
  const reason = node.status_reason === null ? '' : ` (${printable(node.status_reason)})`;
  const paint = node.status === 'active' ? colors.green : colors.red;
  const lines = [
    `${colors.bold(node.node)}  ${paint(node.status)}${reason}  database ${printable(node.database)}, ${node.plugin}`,
    `  horizon  ${node.horizon === null ? 'none' : `${node.horizon.ts}  (${node.horizon.lsn})`}${lag(node)}`,
    `  slot     ${describeSlot(node)}`,
    `  last run ${node.last_run === null ? 'never' : `${node.last_run.at}  ${node.last_run.outcome ?? ''}`}`,
  ];
  for (const check of node.checks) lines.push(...checkLines(check, out));
  const tables =
    node.tables.length === 0
      ? '  No tables are tracked.'
      : indent(
          plainTable(
            ['table', 'status', 'tracked from', 'answers from', 'size', 'baseline'],
            node.tables.map(tableCells),
            out,
          ),
        );
  return [...lines, '', tables].join('\n');
}

function checkLines({ status, code, message, remedy }: Check, { colors }: Output): string[] {
  const mark = status === 'fail' ? colors.red('FAIL    ') : colors.yellow('WARN    ');
  return [
    `  ${mark} ${printable(message)} ${colors.dim(`[${code}]`)}`,
    ...(remedy === null ? [] : [`           ${printable(remedy)}`]),
  ];
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

function tableCells(table: TableStatusDocument): string[] {
  const { state, rows, estimated_rows: estimated } = table.baseline;
  const progress =
    state === 'pending' ? `pending, ${rows} of about ${Math.max(rows, estimated)} rows` : state;
  const oldest = table.oldest?.ts ?? table.tracked_from?.ts ?? '';
  const size = `${formatBytes(table.size_bytes ?? 0)}${table.ranges > 0 ? ` in ${table.ranges} ranges` : ''}`;
  return [table.table, table.status, table.tracked_from?.ts ?? '(waiting)', oldest, size, progress];
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

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** In steps of 1024, as PostgreSQL's pg_size_pretty() counts. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 10_240 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${Math.round(value)} ${UNITS[unit]}`;
}
