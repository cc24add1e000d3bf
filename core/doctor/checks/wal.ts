/** Checks whether the WAL of the slot may fill the disk of the source, whether limits of the source may remove it, and what holds it. */
import { INSERTED, SLOTS, type SourceFacts } from '../../source/slot/source-facts.ts';
import { walBudget } from '../../source/slot/wal-budget.ts';
import type { StoredNode } from '../../store/node/nodes.ts';
import { formatBytes } from '../../types/byte-size.ts';
import { type Check, fail, notKnown, ok, warn } from '../check.ts';
import { type DoctorFacts, rightSource, type SourceSide } from '../facts.ts';
import { reloadRemedy } from '../platform.ts';
import type { OpenTransaction, PreparedTransaction, SourceCondition } from '../source-condition.ts';

const WARN_PERCENT = 50;
const FAIL_PERCENT = 80;
/** Runs may pause this long without harm to the slot: an hour for a person to react, or three runs if runs are rare. */
const GRACE_SECONDS = 3600;
const GRACE_RUNS = 3;

export function checkWal(facts: DoctorFacts): Check[] {
  const side = rightSource(facts);
  const node = facts.store.facts?.overview?.node;
  const isSlotKnown = side?.server.unknown.includes(SLOTS) === false;
  if (side === null || node === undefined || node.status === 'removed') return [];
  if (side.server.slot === null && isSlotKnown) return [];
  const graceSeconds = Math.max(GRACE_SECONDS, GRACE_RUNS * facts.everySeconds);
  return [
    ...(isSlotKnown && !side.server.unknown.includes(INSERTED)
      ? checkBudget(side.server, node, side.condition)
      : [notKnown('wal_budget', 'How much WAL the slot keeps')]),
    ...checkWaiting(side, facts.node),
    ...checkIdleTimeout(side, graceSeconds),
    ...checkKeepSize(side, graceSeconds),
    ...checkSpills(side),
  ];
}

/** @param pins the open transactions; null when the caller did not read them */
export function checkBudget(server: SourceFacts, node: StoredNode, pins: Pins | null): Check[] {
  const budget = walBudget(server, node.slotBudgetBytes);
  if (budget === null) return [];
  const message =
    `The slot keeps ${formatBytes(budget.keptBytes)} of WAL, ${budget.percent} % of the budget of ${formatBytes(budget.budgetBytes)}` +
    `${pinnedBy(pins)}.`;
  if (budget.percent < WARN_PERCENT) return [ok('wal_budget', message)];
  const remedy = `${unpin(pins)}pgtimewarp poll --node ${node.node}`;
  return [
    budget.percent < FAIL_PERCENT
      ? warn('wal_budget', message, remedy)
      : fail(
          'wal_budget',
          message,
          `${remedy}; or, if the disk is almost full, at the price of a gap: pgtimewarp release-slot --node ${node.node}`,
        ),
  ];
}

/** A slot must keep the WAL from the start of the oldest open transaction. */
function pinnedBy(pins: Pins | null): string {
  const pin = oldestPin(pins);
  if (pin === null) return '';
  return 'gid' in pin
    ? `; the prepared transaction '${pin.gid}' is open for ${pin.ageSeconds} s`
    : `; the transaction of pid ${pin.pid} is open for ${pin.ageSeconds} s (${pin.state})`;
}

function unpin(pins: Pins | null): string {
  const pin = oldestPin(pins);
  if (pin === null) return '';
  return 'gid' in pin
    ? `On the source: ROLLBACK PREPARED '${pin.gid.replaceAll("'", "''")}'; CHECKPOINT; then: `
    : `On the source: SELECT pg_terminate_backend(${pin.pid}); CHECKPOINT; then: `;
}

type Pins = Pick<SourceCondition, 'oldestWriter' | 'oldestPrepared'>;

function oldestPin(pins: Pins | null): OpenTransaction | PreparedTransaction | null {
  const [writer, prepared] = [pins?.oldestWriter ?? null, pins?.oldestPrepared ?? null];
  if (writer === null || prepared === null) return writer ?? prepared;
  return prepared.ageSeconds >= writer.ageSeconds ? prepared : writer;
}

/** Tracking of a table cannot begin while a transaction is open that used the table before. */
function checkWaiting(side: SourceSide, node: string): Check[] {
  const starting = side.tables.filter(({ state }) => state.kind === 'starting');
  const pids = starting
    .flatMap(({ stored }) => stored.waitsForPids)
    .filter((pid) => side.condition.pids?.includes(pid) ?? true);
  return [...new Set(pids)].map((pid) =>
    warn(
      'open_transaction',
      `Tracking waits for the transaction of pid ${pid}, which used a table before its tracking was requested.`,
      `On the source: SELECT pg_terminate_backend(${pid}); then: pgtimewarp poll --node ${node}`,
    ),
  );
}

function checkIdleTimeout({ condition }: SourceSide, graceSeconds: number): Check[] {
  const seconds = condition.idleSlotTimeoutSeconds;
  if (seconds === null) {
    const isLacking = condition.unknown.includes('pg_settings');
    return isLacking ? [notKnown('idle_slot_timeout', 'idle_replication_slot_timeout')] : [];
  }
  const message = `idle_replication_slot_timeout is ${seconds} s.`;
  return [
    seconds > 0 && seconds < graceSeconds
      ? warn(
          'idle_slot_timeout',
          `${message} The slot is idle between two runs: if a run is late, the source invalidates it.`,
          reloadRemedy(condition.platform, 'idle_replication_slot_timeout', '0'),
        )
      : ok('idle_slot_timeout', message),
  ];
}

function checkKeepSize({ server, condition }: SourceSide, graceSeconds: number): Check[] {
  const limit = server.maxSlotWalKeepBytes;
  if (limit === null)
    return [ok('wal_keep_size', 'max_slot_wal_keep_size sets no limit: the slot budget protects the disk.')];
  if (condition.walBytes === null || condition.walSinceSeconds === null)
    return [notKnown('wal_keep_size', 'How much WAL the source writes')];
  const perPause = Math.round((condition.walBytes / condition.walSinceSeconds) * graceSeconds);
  const message = `max_slot_wal_keep_size is ${formatBytes(limit)}; the source writes about ${formatBytes(perPause)} of WAL in ${graceSeconds} s.`;
  return [
    limit < BigInt(perPause)
      ? warn(
          'wal_keep_size',
          `${message} If runs pause for that long, the slot is lost.`,
          reloadRemedy(condition.platform, 'max_slot_wal_keep_size', `'${megabytes(perPause * 4)}MB'`),
        )
      : ok('wal_keep_size', message),
  ];
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}

function checkSpills({ condition }: SourceSide): Check[] {
  if (condition.unknown.includes('pg_stat_replication_slots'))
    return [notKnown('decoding_spills', 'What decoding has spilled to the disk')];
  return condition.spilledBytes === null
    ? []
    : [
        ok(
          'decoding_spills',
          `Decoding has spilled ${formatBytes(condition.spilledBytes)} to the disk of the source.`,
        ),
      ];
}
