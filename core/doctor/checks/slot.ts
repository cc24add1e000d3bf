/** Is the source set up for decoding, and is the slot there, ours, readable and safe? */
import { ERROR_CODES } from '../../errors/codes.ts';
import type { SlotFacts, SourceFacts } from '../../slot/source-facts.ts';
import type { StoredNode } from '../../store/nodes.ts';
import { type Check, fail, ok, warn } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';
import { walLevelRemedy } from '../platform.ts';
import type { SourceCondition } from '../source-condition.ts';

export function checkSlot(facts: DoctorFacts): Check[] {
  const side = facts.source.facts;
  if (side === null) return [];
  const { server } = side;
  const checks = [checkWalLevel(server, side.condition.platform), ...checkRole(server)];
  const node = facts.store.facts?.overview?.node;
  if (node === undefined || node.status === 'removed') return checks;
  checks.push(checkIdentity(server, node));
  if (server.slot === null) {
    checks.push(
      fail('slot_present', `The slot ${node.slotName} is gone.`, `pgtimewarp rebaseline --node ${node.node}`),
    );
    return checks;
  }
  checks.push(ok('slot_present', `The slot ${node.slotName} is there.`));
  checks.push(checkOwnership(server.slot, node), checkWalStatus(server.slot, node));
  checks.push(
    side.slotUnreadable === null
      ? ok('plugin_permitted', `The output plugin ${node.plugin} can be read.`)
      : fail('plugin_permitted', side.slotUnreadable.message, side.slotUnreadable.remedy),
  );
  if (side.publicationPresent !== null) {
    checks.push(
      side.publicationPresent
        ? ok('publication_present', 'The publication is there.')
        : fail(
            'publication_present',
            'The publication of the node is gone.',
            `pgtimewarp rebaseline --node ${node.node}`,
          ),
    );
  }
  return checks;
}

function checkWalLevel(server: SourceFacts, platform: SourceCondition['platform']): Check {
  return server.walLevel === 'logical'
    ? ok('wal_level', 'wal_level is logical.')
    : fail('wal_level', `wal_level is ${server.walLevel}.`, walLevelRemedy(platform));
}

function checkRole(server: SourceFacts): Check[] {
  return server.inRecovery
    ? [fail('source_primary', 'The source is a standby.', ERROR_CODES.SOURCE_IN_RECOVERY.remedy)]
    : [];
}

function checkIdentity(server: SourceFacts, node: StoredNode): Check {
  const same = server.systemIdentifier === node.systemIdentifier && server.database === node.database;
  if (same && server.timeline !== node.timeline) {
    return fail(
      'source_timeline',
      `The source is on timeline ${server.timeline}; the node follows timeline ${node.timeline}.`,
      ERROR_CODES.SOURCE_REPLACED.remedy,
    );
  }
  return same
    ? ok('source_identity', `The source is database ${node.database} that the node follows.`)
    : fail(
        'source_identity',
        `The node follows database ${node.database} of server ${node.systemIdentifier}; --source is ` +
          `${server.database} of ${server.systemIdentifier}.`,
        ERROR_CODES.SOURCE_REPLACED.remedy,
      );
}

function checkOwnership(slot: SlotFacts, node: StoredNode): Check {
  const ours =
    slot.plugin === node.plugin && slot.database === node.database && !slot.twoPhase && !slot.temporary;
  return ours
    ? ok('slot_ours', 'The slot is as it was made.')
    : fail(
        'slot_ours',
        `The slot ${node.slotName} is another one: ${slot.plugin} in database ${slot.database ?? '(none)'}` +
          `${slot.twoPhase ? ', two_phase' : ''}.`,
        `SELECT pg_drop_replication_slot('${node.slotName}'); on the source, if nobody needs it; then: pgtimewarp rebaseline --node ${node.node}`,
      );
}

/** PostgreSQL manual, "pg_replication_slots": unreserved means that the next checkpoint may remove what is needed. */
function checkWalStatus(slot: SlotFacts, node: StoredNode): Check {
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
        `The slot ${node.slotName} is about to lose WAL.`,
        'Run `pgtimewarp poll` now, and raise max_slot_wal_keep_size.',
      );
    default:
      return ok('slot_wal', `The WAL that the slot needs is kept (${slot.walStatus ?? 'nothing reserved'}).`);
  }
}
