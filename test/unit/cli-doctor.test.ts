/** The verdicts: facts in, checks out. */
import { describe, expect, test } from 'vitest';
import { fail, ok, summarize, warn } from '../../core/doctor/check.ts';
import { diagnose } from '../../core/doctor/diagnose.ts';
import type { DoctorFacts, SourceSide, StoreFacts } from '../../core/doctor/facts.ts';
import type { ProofFacts } from '../../core/doctor/self-proof.ts';
import type { SourceCondition } from '../../core/doctor/source-condition.ts';
import type { StoreCondition } from '../../core/doctor/store-condition.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { SlotFacts } from '../../core/slot/source-facts.ts';
import type { StoredNode } from '../../core/store/nodes.ts';
import { parseCommitTime } from '../../core/types/commit-time.ts';
import { parseLsn } from '../../core/types/lsn.ts';

const T0 = parseCommitTime('2026-01-01T00:00:00Z');
const LATER = parseCommitTime('2026-01-01T00:05:01Z');

const NODE: StoredNode = {
  node: 'default',
  systemIdentifier: '7',
  timeline: 1,
  database: 'shop',
  slotName: 'pgtimewarp_default',
  plugin: 'pgoutput',
  status: 'active',
  statusReason: null,
  createdAt: T0,
  slotBudgetBytes: null,
  releasesSlot: false,
  horizon: {
    lsn: parseLsn('0/100'),
    ts: T0,
    lsnSpace: 1,
    caughtUp: true,
    lastRunAt: T0,
    lastRunOutcome: 'done',
    failures: 0,
  },
};

const SLOT: SlotFacts = {
  plugin: 'pgoutput',
  database: 'shop',
  slotType: 'logical',
  twoPhase: false,
  temporary: false,
  activePid: null,
  walStatus: 'reserved',
  restartLsn: parseLsn('0/80'),
  confirmedFlushLsn: parseLsn('0/100'),
  safeWalBytes: null,
};

const SOURCE: SourceCondition = {
  platform: 'self-managed',
  slotsUsed: 1,
  slotsMax: 10,
  role: 'app',
  mayReplicate: true,
  idleSlotTimeoutSeconds: 0,
  walBytes: 1000,
  walSinceSeconds: 10,
  spilledBytes: 0,
  oldestWriter: null,
  oldestPrepared: null,
  pids: [],
  publication: { allActions: true, viaRoot: false, restricted: [], members: [], keyless: [] },
  unreadable: [],
};

const STORE: StoreCondition = {
  clock: T0,
  role: 'app',
  database: 'history',
  writable: true,
  mayWrite: true,
  connectionsUsed: 3,
  connectionsMax: 100,
  autovacuum: true,
  transactionAge: 1000,
  sizeBytes: 1_000_000,
  ageSeconds: 1000,
  mapFaults: 0,
};

interface Changes {
  proof?: ProofFacts;
  condition?: Partial<StoreCondition>;
  surroundings?: Partial<SourceCondition>;
  node?: Partial<StoredNode>;
  store?: Partial<StoreFacts>;
  side?: Partial<SourceSide>;
  server?: Partial<SourceSide['server']>;
  slot?: Partial<SlotFacts> | null;
}

function facts(changes: Changes = {}): DoctorFacts {
  const slot = changes.slot === null ? null : { ...SLOT, ...changes.slot };
  return {
    node: 'default',
    store: {
      error: null,
      facts: {
        schemaFound: 1,
        schemaExpected: 1,
        overview: { node: { ...NODE, ...changes.node }, relations: [], histories: [], openGaps: [] },
        failure: null,
        condition: { ...STORE, ...changes.condition },
        ...changes.store,
      },
    },
    source: {
      error: null,
      facts: {
        server: {
          systemIdentifier: '7',
          timeline: 1,
          database: 'shop',
          versionNumber: 150020,
          version: '15.20',
          walLevel: 'logical',
          inRecovery: false,
          insertLsn: parseLsn('0/180'),
          flushLsn: parseLsn('0/180'),
          clock: T0,
          maxSlotWalKeepBytes: null,
          slot,
          ...changes.server,
        },
        slotUnreadable: null,
        publicationPresent: true,
        tables: [],
        condition: { ...SOURCE, ...changes.surroundings },
        ...changes.side,
      },
    },
    proof: changes.proof ?? null,
  };
}

/** Codes of what is not all right. */
function trouble(given: DoctorFacts): string[] {
  return diagnose(given)
    .checks.filter((check) => check.status !== 'ok')
    .map((check) => `${check.status} ${check.code}`);
}

describe('diagnose', () => {
  test('a healthy node passes', () => {
    expect(diagnose(facts()).status).toBe('ok');
  });

  test.each<[string, Changes, string[]]>([
    ['old schema', { store: { schemaFound: 0, overview: null } }, ['fail schema_version']],
    ['new schema', { store: { schemaFound: 2, overview: null } }, ['fail schema_version']],
    ['unknown node', { store: { overview: null } }, ['fail node_known']],
    ['gap', { node: { status: 'gap' } }, ['fail node_gap']],
    ['blocked', { node: { status: 'blocked' } }, ['fail node_blocked']],
    ['wal_level', { server: { walLevel: 'replica' } }, ['fail wal_level']],
    ['standby', { server: { inRecovery: true } }, ['fail source_primary']],
    ['other server', { server: { systemIdentifier: '8' } }, ['fail source_identity']],
    ['slot gone', { slot: null }, ['fail slot_present']],
    ['slot of another plugin', { slot: { plugin: 'wal2json' } }, ['fail slot_ours']],
    ['two_phase slot', { slot: { twoPhase: true } }, ['fail slot_ours']],
    ['slot lost', { slot: { walStatus: 'lost' } }, ['fail slot_wal']],
    ['slot in danger', { slot: { walStatus: 'unreserved' } }, ['warn slot_wal']],
    [
      'slot unreadable',
      { side: { slotUnreadable: new TimewarpError('PLUGIN_REFUSED', 'no') } },
      ['fail plugin_permitted'],
    ],
    ['no publication', { side: { publicationPresent: false } }, ['fail publication_present']],
    ['old version', { server: { versionNumber: 140000 } }, ['warn source_version']],
    ['no right to replicate', { surroundings: { mayReplicate: false } }, ['fail source_role']],
    ['no slots left', { surroundings: { slotsUsed: 10 } }, ['warn slots_left']],
    ['unreadable tables', { surroundings: { unreadable: ['public.t'] } }, ['fail source_select']],
    ['clocks apart', { condition: { clock: parseCommitTime('2026-01-01T00:02:00Z') } }, ['warn clocks']],
    ['timeline', { server: { timeline: 2 } }, ['fail source_timeline']],
    ['idle slots die', { surroundings: { idleSlotTimeoutSeconds: 600 } }, ['warn idle_slot_timeout']],
    ['small keep size', { server: { maxSlotWalKeepBytes: 300_000n } }, ['warn wal_keep_size']],
    ['budget half used', { node: { slotBudgetBytes: 0x200n } }, ['warn wal_budget']],
    ['budget used', { node: { slotBudgetBytes: 0x110n } }, ['fail wal_budget']],
    ['read-only store', { condition: { writable: false } }, ['fail store_writable']],
    ['no right to write', { condition: { mayWrite: false } }, ['fail store_role']],
    ['store connections', { condition: { connectionsUsed: 95 } }, ['warn store_connections']],
    ['no autovacuum', { condition: { autovacuum: false } }, ['warn store_autovacuum']],
    ['wraparound', { condition: { transactionAge: 1_600_000_000 } }, ['warn store_transaction_age']],
    ['map out of order', { condition: { mapFaults: 1 } }, ['fail time_map']],
    [
      'history differs',
      {
        proof: {
          compared: 1,
          undecided: 0,
          differences: [{ table: { schema: 'public', name: 't' }, key: '["1"]', what: 'x' }],
        },
      },
      ['fail self_proof'],
    ],
    [
      'publication restricted',
      {
        surroundings: {
          publication: {
            ...SOURCE.publication!,
            restricted: [{ schema: 'public', name: 't', rows: true, hidden: [] }],
          },
        },
      },
      ['fail publication_filter'],
    ],
    [
      'publication without deletes',
      { surroundings: { publication: { ...SOURCE.publication!, allActions: false } } },
      ['fail publication_actions'],
    ],
    [
      'published table without key',
      {
        surroundings: { publication: { ...SOURCE.publication!, keyless: [{ schema: 'public', name: 't' }] } },
      },
      ['fail publication_keyless'],
    ],
    ['late', { server: { clock: LATER }, condition: { clock: LATER } }, ['warn lag']],
    ['far behind', { server: { insertLsn: parseLsn('1/0') } }, ['warn lag']],
    ['failing runs', { node: { horizon: { ...NODE.horizon!, failures: 3 } } }, ['warn run_failures']],
  ])('%s', (_, changes, expected) => {
    expect(trouble(facts(changes))).toEqual(expected);
  });

  test('what does not answer is said once, and nothing is guessed about it', () => {
    const error = new TimewarpError('STORE_UNREACHABLE', 'gone');
    expect(trouble({ ...facts(), store: { facts: null, error } })).toEqual(['fail store_reachable']);
  });

  test('everything that is not all right has a remedy', () => {
    const checks = diagnose(facts({ slot: { walStatus: 'lost' }, server: { walLevel: 'minimal' } })).checks;
    expect(checks.every((check) => (check.status === 'ok') === (check.remedy === null))).toBe(true);
  });
});

test('the worst comes first and decides', () => {
  const checks = [ok('table', ''), warn('lag', '', 'r'), fail('clocks', '', 'r'), ok('gaps', '')];
  expect(summarize(checks)).toMatchObject({
    status: 'fail',
    checks: [{ code: 'clocks' }, { code: 'lag' }, { code: 'table' }, { code: 'gaps' }],
  });
  expect(summarize([ok('table', '')]).status).toBe('ok');
});
