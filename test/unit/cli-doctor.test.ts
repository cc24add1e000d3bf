/** The verdicts: facts in, checks out. */
import { describe, expect, test } from 'vitest';
import { fail, ok, summarize, warn } from '../../core/doctor/check.ts';
import { diagnose } from '../../core/doctor/diagnose.ts';
import type { DoctorFacts, SourceSide, StoreFacts } from '../../core/doctor/facts.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { SlotFacts } from '../../core/slot/source-facts.ts';
import type { StoredNode } from '../../core/store/nodes.ts';
import { parseCommitTime } from '../../core/types/commit-time.ts';
import { parseLsn } from '../../core/types/lsn.ts';

const T0 = parseCommitTime('2026-01-01T00:00:00Z');

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

interface Changes {
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
          slot,
          ...changes.server,
        },
        slotUnreadable: null,
        publicationPresent: true,
        tables: [],
        ...changes.side,
      },
    },
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
    ['late', { server: { clock: parseCommitTime('2026-01-01T00:05:01Z') } }, ['warn lag']],
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
  const checks = [ok('a', ''), warn('b', '', 'r'), fail('c', '', 'r'), ok('d', '')];
  expect(summarize(checks)).toMatchObject({
    status: 'fail',
    checks: [{ code: 'c' }, { code: 'b' }, { code: 'a' }, { code: 'd' }],
  });
  expect(summarize([ok('a', '')]).status).toBe('ok');
});
