/** Checks whether the source can decode, and whether the slot exists, is ours, can be read, and keeps its WAL. */
import { ERROR_CODES } from '../../errors/codes.ts';
import { detectMovedSlot } from '../../run/loss/detect-loss.ts';
import { publicationName } from '../../source/publication/publication.ts';
import { SLOTS, type SlotFacts, type SourceFacts } from '../../source/slot/source-facts.ts';
import { canDecode, describeWalLevels } from '../../source/slot/wal-level.ts';
import { isDatabaseOf, type StoredNode } from '../../store/node/nodes.ts';
import { formatBytes } from '../../types/byte-size.ts';
import { lsnDistanceBytes } from '../../types/lsn.ts';
import { maybeSameSystem, maybeSameTimeline } from '../../types/server-identity.ts';
import { type Check, fail, notKnown, ok, warn } from '../check.ts';
import { type DoctorFacts, rightSource, type SourceSide } from '../facts.ts';
import { reloadRemedy, walLevelRemedy } from '../platform.ts';
import type { SourceCondition } from '../source-condition.ts';

export function checkSlot(facts: DoctorFacts): Check[] {
  const side = facts.source.facts;
  if (side === null) return [];
  const { server } = side;
  const checks = [checkWalLevel(server, side.condition.platform), ...checkRole(server)];
  const node = facts.store.facts?.overview?.node;
  if (node === undefined || node.status === 'removed') return checks;
  const lost = side.slotUnreadable?.code === 'SLOT_LOST' ? side.slotUnreadable : null; // whatever the server says of the slot
  checks.push(
    ...checkSlotItself(server, node, side.condition.platform).map((check) =>
      check.code === 'slot_wal' && lost !== null
        ? fail('slot_wal', lost.message, `pgtimewarp rebaseline --node ${node.node}`)
        : check,
    ),
  );
  const isSlotKnown = !server.unknown.includes(SLOTS);
  if (rightSource(facts) === null || (server.slot === null && isSlotKnown)) return checks; // the slots of another server are not ours
  if (server.slot === null) checks.push(notKnown('slot_position', 'Where the slot stands'));
  else if (isOurs(server.slot, server, node))
    checks.push(...checkPosition(server.slot, node, facts.nodeLater));
  checks.push(checkReader(side.condition, node));
  if (side.condition.mayReplicate !== false && lost === null)
    checks.push(
      isSlotKnown ? checkPlugin(side, node) : notKnown('plugin_permitted', 'Whether the slot can be read'),
    ); // below wal_level logical, no plugin can read a slot
  if (side.publicationPresent !== null) {
    checks.push(
      side.publicationPresent
        ? ok('publication_present', `The publication ${publicationName(node.node)} is there.`)
        : fail(
            'publication_present',
            `The publication ${publicationName(node.node)} is gone: the slot cannot be read.`,
            `pgtimewarp rebaseline --node ${node.node}`,
          ),
    );
  }
  return checks;
}

/** Checks that this is the server that the node follows, and that its slot exists, is ours and keeps its WAL. */
export function checkSlotItself(
  server: SourceFacts,
  node: StoredNode,
  platform: SourceCondition['platform'],
): Check[] {
  const identity = checkIdentity(server, node);
  if (identity.code === 'source_identity' && identity.status === 'fail') return [identity];
  if (server.inRecovery) return [identity]; // the slot is on the primary
  if (server.unknown.includes(SLOTS)) {
    const what = `What the server keeps for the slot ${node.slotName}`;
    return [
      identity,
      ...(['slot_present', 'slot_ours', 'slot_wal'] as const).map((code) => notKnown(code, what)),
    ];
  }
  if (server.slot === null) {
    const gone = `The slot ${node.slotName} is gone.`;
    return [identity, fail('slot_present', gone, `pgtimewarp rebaseline --node ${node.node}`)];
  }
  return [
    identity,
    ok('slot_present', `The slot ${node.slotName} is there.`),
    checkOwnership(server.slot, server, node),
    checkWalStatus({ server, slot: server.slot }, node, platform),
  ];
}

/**
 * Fails when another program has moved the slot. A run moves the slot only to a position that the store has committed, and a
 * node that begins again becomes active only after the store has its start. Doctor reads the slot first and the store later.
 * So a slot ahead of that later state was moved by another program.
 */
function checkPosition(slot: SlotFacts, node: StoredNode, later: StoredNode | null): Check[] {
  if (node.status !== 'active' || later?.status !== 'active' || later.horizon === null) return [];
  if (later.slotName !== node.slotName || later.horizon.lsnSpace !== node.horizon?.lsnSpace) return [];
  const { lsn, ts } = later.horizon;
  const loss = detectMovedSlot(slot.confirmedFlushLsn, later, { lsn, time: ts });
  return [
    loss === null
      ? ok('slot_position', 'The slot stands where the store is, or before.')
      : fail(
          'slot_position',
          `Changes are lost: ${loss.reason}.`,
          `pgtimewarp rebaseline --node ${node.node}`,
        ),
  ];
}

/** Runs read the slot under their own application name. Any other reader consumes changes, which are then lost. */
function checkReader({ slotReader, unknown }: SourceCondition, node: StoredNode): Check {
  if (unknown.includes('pg_stat_activity') || unknown.includes(SLOTS))
    return notKnown('slot_reader', 'Who reads the slot');
  if (slotReader === null || slotReader.application === `pgtimewarp/${node.node}`)
    return ok('slot_reader', 'No other program reads the slot.');
  const { pid, application, role } = slotReader;
  return fail(
    'slot_reader',
    `The slot ${node.slotName} is being read by pid ${pid} (${application || 'no application name'}, role ${role}).`,
    `On the source: SELECT pg_terminate_backend(${pid}); and give that program a slot of its own.`,
  );
}

function checkPlugin({ slotUnreadable }: SourceSide, { plugin }: StoredNode): Check {
  if (slotUnreadable === null) return ok('plugin_permitted', `The output plugin ${plugin} can be read.`);
  const code = slotUnreadable.code === 'PLUGIN_OUTDATED' ? 'plugin_age' : 'plugin_permitted';
  return fail(code, slotUnreadable.message, slotUnreadable.remedy);
}

function checkWalLevel(server: SourceFacts, platform: SourceCondition['platform']): Check {
  const said = describeWalLevels(server);
  return canDecode(server) ? ok('wal_level', said) : fail('wal_level', said, walLevelRemedy(platform));
}

function checkRole(server: SourceFacts): Check[] {
  return server.inRecovery
    ? [fail('source_primary', 'The source is a standby.', ERROR_CODES.SOURCE_IN_RECOVERY.remedy)]
    : [];
}

function checkIdentity(server: SourceFacts, node: StoredNode): Check {
  const right = 'Name the right server as --source: the next run then withdraws the gap.';
  const successor = `${right} If this server replaces the old one: pgtimewarp rebaseline --node ${node.node}`;
  if (!maybeSameSystem(server, node)) {
    return fail(
      'source_identity',
      `The node follows server ${node.systemIdentifier}; --source is server ${server.systemIdentifier}.`,
      successor,
    );
  }
  if (!isDatabaseOf(server, node)) {
    return fail(
      'source_identity',
      `The node follows database ${node.database}; --source is database ${server.database} of the same server.`,
      `Name the database ${node.database} in --source, or the node of this database with --node.`,
    );
  }
  return maybeSameTimeline(server.timeline, node.timeline)
    ? ok('source_identity', `The source is database ${server.database} that the node follows.`)
    : fail(
        'source_timeline',
        `The source was promoted or restored: it is on timeline ${server.timeline}, the node follows timeline ${node.timeline}.`,
        successor,
      );
}

function isOurs(slot: SlotFacts, { database }: SourceFacts, { plugin }: StoredNode): boolean {
  return slot.plugin === plugin && slot.database === database && !slot.twoPhase && !slot.temporary;
}

function checkOwnership(slot: SlotFacts, server: SourceFacts, node: StoredNode): Check {
  return isOurs(slot, server, node)
    ? ok('slot_ours', 'The slot is as it was made.')
    : fail(
        'slot_ours',
        `The slot ${node.slotName} is another one: ${slot.plugin} in database ${slot.database ?? '(none)'}` +
          `${slot.twoPhase ? ', two_phase' : ''}.`,
        `SELECT pg_drop_replication_slot('${node.slotName}'); on the source, if no other program needs it; then: pgtimewarp rebaseline --node ${node.node}`,
      );
}

/** PostgreSQL manual, "pg_replication_slots": unreserved means that the next checkpoint may remove WAL that the slot needs. */
function checkWalStatus(
  { server, slot }: { readonly server: SourceFacts; readonly slot: SlotFacts },
  node: StoredNode,
  platform: SourceCondition['platform'],
): Check {
  switch (slot.walStatus) {
    case 'lost':
      return fail(
        'slot_wal',
        `The slot ${node.slotName} has lost WAL that it needed.`,
        `pgtimewarp rebaseline --node ${node.node}`,
      );
    case 'unreserved':
      return warn(
        'slot_wal',
        `The slot ${node.slotName} keeps more WAL than max_slot_wal_keep_size: the next checkpoint may remove what it needs.`,
        `${raiseKeepSize(server, slot, platform)} then: pgtimewarp poll --node ${node.node}`,
      );
    default:
      return ok(
        'slot_wal',
        `The WAL that the slot needs is kept (${slot.walStatus ?? 'nothing reserved'}${room(slot)}).`,
      );
  }
}

function room({ safeWalBytes }: SlotFacts): string {
  return safeWalBytes === null ? '' : `, room for ${formatBytes(safeWalBytes)} more`;
}

/** Four times what the slot keeps: enough also for the WAL that the source writes while the store catches up. */
function raiseKeepSize(server: SourceFacts, slot: SlotFacts, platform: SourceCondition['platform']): string {
  const keptBytes = slot.restartLsn === null ? 0n : lsnDistanceBytes(slot.restartLsn, server.insertLsn);
  const megabytes = (keptBytes * 4n) / (1024n * 1024n) + 1n;
  return reloadRemedy(platform, 'max_slot_wal_keep_size', `'${megabytes}MB'`);
}
