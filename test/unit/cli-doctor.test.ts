/** The verdicts of doctor: facts in, checks out. */
import { describe, expect, test } from 'vitest';
import { type Check, fail, groupByRemedy, ok, summarize, warn } from '../../core/doctor/check.ts';
import { diagnose } from '../../core/doctor/diagnose.ts';
import type { DoctorFacts, SourceSide, StoreFacts } from '../../core/doctor/facts.ts';
import type {
  HistoryCondition,
  IncompleteColumn,
  UnverifiedUnit,
  WindowState,
} from '../../core/doctor/history-condition.ts';
import type { InheritedSettings } from '../../core/doctor/inherited-settings.ts';
import { isNews, troubles } from '../../core/doctor/record-diagnosis.ts';
import type { ProofFacts } from '../../core/doctor/self-proof.ts';
import type { SourceCondition } from '../../core/doctor/source-condition.ts';
import type { StoreCondition } from '../../core/doctor/store-condition.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { SlotFacts } from '../../core/source/slot/source-facts.ts';
import type { StoredNode } from '../../core/store/node/nodes.ts';
import type { GapOverview } from '../../core/store/overview.ts';
import { parseCommitTime } from '../../core/types/commit-time.ts';
import { parseLsn } from '../../core/types/lsn.ts';
import { reportOf } from '../../lambda/doctor/report.ts';
import { tableState } from '../support/table-state.ts';

const T0 = parseCommitTime('2026-01-01T00:00:00Z');
const LATER = parseCommitTime('2026-01-01T00:05:01Z');

const SCHEMA = { version: 1, expected: 1, hasOurFunctions: true };

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
  numbersAsText: false,
  slotFailover: true,
  contextPrefixes: [],
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
  encoding: 'UTF8',
  inherited: { timeouts: [], readOnly: null },
  slotsUsed: 1,
  slotsMax: 10,
  sendersUsed: 0,
  sendersMax: 10,
  slotReader: null,
  role: 'app',
  mayReplicate: true,
  idleSlotTimeoutSeconds: 0,
  walBytes: 1000,
  walSinceSeconds: 10,
  spilledBytes: 0,
  oldestWriter: null,
  oldestPrepared: null,
  pids: [],
  publication: {
    allActions: true,
    viaRoot: false,
    restricted: [],
    members: [{ schema: 'public', name: 'orders' }],
    hidesGenerated: false,
    refused: [],
  },
  unreadable: [],
  filtered: [],
  heirs: [],
  sqlFunctions: null,
  unknown: [],
};

const STORE: StoreCondition = {
  clock: T0,
  role: 'app',
  inRecovery: false,
  encoding: 'UTF8',
  inherited: { timeouts: [], readOnly: null },
  mayWrite: true,
  connectionsUsed: 3,
  connectionsMax: 100,
  autovacuum: true,
  transactionAge: 1000,
  sizeBytes: 1_000_000,
  ageSeconds: 1000,
  mapFaults: 0,
  hiddenHolder: null,
  unknown: [],
};

const INHERITED: InheritedSettings = {
  timeouts: [
    {
      name: 'statement_timeout',
      value: '150 ms',
      from: 'role app',
      reset: 'ALTER ROLE app RESET statement_timeout;',
    },
  ],
  readOnly: null,
};

const gap = (isRepaired: boolean): GapOverview => ({
  table: { schema: 'public', name: 't' },
  from: { lsn: parseLsn('0/100'), ts: T0 },
  reason: 'it changed',
  isRepaired,
});

const HISTORY: HistoryCondition = {
  windows: [],
  incomplete: [],
  unverified: [],
  oldestReader: null,
};

const window = (changes: Partial<WindowState>): WindowState => ({
  schema: 'public',
  name: 't',
  overdueSeconds: 0,
  rangeAhead: true,
  ...changes,
});

const lost = (ageSeconds: number): IncompleteColumn => ({
  schema: 'public',
  name: 't',
  column: 'c',
  ageSeconds,
});

const unit = (ageSeconds: number): UnverifiedUnit => ({
  schema: 'public',
  name: 't',
  unit: 3,
  state: 'written',
  ageSeconds,
});

interface Changes {
  gaps?: readonly GapOverview[];
  pooling?: Partial<DoctorFacts['pooling']>;
  everySeconds?: number;
  history?: Partial<HistoryCondition>;
  proof?: ProofFacts;
  condition?: Partial<StoreCondition>;
  surroundings?: Partial<SourceCondition>;
  node?: Partial<StoredNode>;
  later?: Partial<StoredNode>;
  store?: Partial<StoreFacts>;
  side?: Partial<SourceSide>;
  server?: Partial<SourceSide['server']>;
  slot?: Partial<SlotFacts> | null;
}

function facts(changes: Changes = {}): DoctorFacts {
  const slot = changes.slot === null ? null : { ...SLOT, ...changes.slot };
  return {
    node: 'default',
    everySeconds: changes.everySeconds ?? 60,
    store: {
      error: null,
      facts: {
        schema: SCHEMA,
        overview: {
          node: { ...NODE, ...changes.node },
          relations: [],
          openGaps: changes.gaps ?? [],
        },
        failure: null,
        relations: [],
        history: { ...HISTORY, ...changes.history },
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
          effectiveWalLevel: null,
          inRecovery: false,
          insertLsn: parseLsn('0/180'),
          flushLsn: parseLsn('0/180'),
          clock: T0,
          maxSlotWalKeepBytes: null,
          slot,
          unknown: [],
          ...changes.server,
        },
        slotUnreadable: null,
        publicationPresent: true,
        tables: [tableState()],
        condition: { ...SOURCE, ...changes.surroundings },
        ...changes.side,
      },
    },
    pooling: { source: 'none', store: 'none', ...changes.pooling },
    nodeLater: { ...NODE, ...changes.node, ...changes.later },
    proof: changes.proof ?? null,
  };
}

/** The codes of the checks that do not pass. */
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
    ['old schema', { store: { schema: { ...SCHEMA, version: 0 }, overview: null } }, ['fail schema_version']],
    ['new schema', { store: { schema: { ...SCHEMA, version: 2 }, overview: null } }, ['fail schema_version']],
    [
      'other functions',
      { store: { schema: { ...SCHEMA, hasOurFunctions: false } } },
      ['fail schema_version'],
    ],
    ['unknown node', { store: { overview: null } }, ['fail node_known']],
    ['removed', { node: { status: 'removed' } }, ['fail node_known']],
    ['gap', { node: { status: 'gap' } }, ['fail node_gap']],
    ['blocked', { node: { status: 'blocked' } }, ['fail node_blocked']],
    ['wal_level', { server: { walLevel: 'replica' } }, ['fail wal_level']],
    [
      'wal_level of PostgreSQL 19, which is a floor',
      { server: { walLevel: 'replica', effectiveWalLevel: 'replica' } },
      [],
    ],
    [
      'wal_level of PostgreSQL 19, too low',
      { server: { walLevel: 'minimal', effectiveWalLevel: 'minimal' } },
      ['fail wal_level'],
    ],
    ['standby', { server: { inRecovery: true } }, ['fail source_primary']],
    ['other server', { server: { systemIdentifier: '8' } }, ['fail source_identity']],
    ['slot gone', { slot: null }, ['fail slot_present']],
    ['slot of another plugin', { slot: { plugin: 'wal2json' } }, ['fail slot_ours']],
    ['two_phase slot', { slot: { twoPhase: true } }, ['fail slot_ours']],
    ['slot moved', { slot: { confirmedFlushLsn: parseLsn('0/101') } }, ['fail slot_position']],
    [
      'slot moved by a run after the store was asked first',
      {
        slot: { confirmedFlushLsn: parseLsn('0/101') },
        later: { horizon: { ...NODE.horizon!, lsn: parseLsn('0/101') } },
      },
      [],
    ],
    [
      'node that begins again meanwhile',
      { slot: { confirmedFlushLsn: parseLsn('0/101') }, later: { status: 'gap' } },
      [],
    ],
    ['poolers', { pooling: { source: 'transaction' } }, ['fail source_pooler']],
    ['pooler of the store', { pooling: { store: 'transaction' } }, ['fail store_pooler']],
    ['poolers that keep sessions', { pooling: { source: 'session', store: 'session' } }, []],
    ['time-outs that are inherited', { surroundings: { inherited: INHERITED } }, []],
    [
      'time-outs that are inherited through a pooler',
      { pooling: { source: 'transaction' }, surroundings: { inherited: INHERITED } },
      ['fail source_pooler', 'fail source_timeouts'],
    ],
    ['SQL_ASCII', { surroundings: { encoding: 'SQL_ASCII' } }, ['fail source_encoding']],
    ['a store in LATIN1', { condition: { encoding: 'LATIN1' } }, ['fail store_encoding']],
    [
      'a gap that an operator must end, and one that ends by itself',
      { gaps: [gap(false), gap(true)] },
      ['fail gap_open', 'warn gap_open'],
    ],
    [
      'a table that inherits',
      {
        surroundings: {
          heirs: [
            { schema: 'public', name: 'c', parent: { schema: 'public', name: 'orders' }, hasKey: true },
          ],
        },
      },
      ['warn inherited_rows'],
    ],
    ['no table', { side: { tables: [] } }, ['fail nothing_tracked']],
    ['slot lost', { slot: { walStatus: 'lost' } }, ['fail slot_wal']],
    ['slot in danger', { slot: { walStatus: 'unreserved' } }, ['warn slot_wal']],
    [
      'slot unreadable',
      { side: { slotUnreadable: new TimewarpError('PLUGIN_REFUSED', 'no') } },
      ['fail plugin_permitted'],
    ],
    ['no publication', { side: { publicationPresent: false } }, ['fail publication_present']],
    ['old version (recorded)', { server: { versionNumber: 140000 } }, ['warn source_version']],
    ['no right to replicate', { surroundings: { mayReplicate: false } }, ['fail source_role']],
    ['no slots left', { surroundings: { slotsUsed: 10 } }, ['warn slots_left']],
    ['tables with policies', { surroundings: { filtered: ['public.t'] } }, ['fail row_security']],
    ['unreadable tables', { surroundings: { unreadable: ['public.t'] } }, ['fail source_select']],
    [
      'clocks apart (recorded)',
      { condition: { clock: parseCommitTime('2026-01-01T00:02:00Z') } },
      ['warn clocks'],
    ],
    ['timeline', { server: { timeline: 2 } }, ['fail source_timeline']],
    [
      'idle slots are invalidated',
      { surroundings: { idleSlotTimeoutSeconds: 600 } },
      ['warn idle_slot_timeout'],
    ],
    ['small keep size', { server: { maxSlotWalKeepBytes: 300_000n } }, ['warn wal_keep_size']],
    ['budget half used', { node: { slotBudgetBytes: 0x200n } }, ['warn wal_budget']],
    ['budget used', { node: { slotBudgetBytes: 0x110n } }, ['fail wal_budget']],
    ['standby as store', { condition: { inRecovery: true } }, ['fail store_writable']],
    ['no right to write', { condition: { mayWrite: false } }, ['fail store_role']],
    ['store connections', { condition: { connectionsUsed: 95 } }, ['warn store_connections']],
    ['no autovacuum', { condition: { autovacuum: false } }, ['warn store_autovacuum']],
    [
      'wraparound (recorded)',
      { condition: { transactionAge: 1_600_000_000 } },
      ['warn store_transaction_age'],
    ],
    ['map out of order', { condition: { mapFaults: 1 } }, ['fail time_map']],
    [
      'history differs',
      {
        proof: {
          compared: 1,
          undecided: 0,
          notFinite: [],
          differences: [{ table: { schema: 'public', name: 't' }, key: '["1"]', what: 'x' }],
        },
      },
      ['fail self_proof'],
    ],
    [
      'a sampled row has NaN in a table declared to have none',
      {
        proof: {
          compared: 1,
          undecided: 0,
          differences: [],
          notFinite: [{ table: { schema: 'public', name: 't' }, column: 'n' }],
        },
      },
      ['fail no_nan'],
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
      'published table whose writes are refused',
      {
        surroundings: {
          publication: {
            ...SOURCE.publication!,
            refused: [{ schema: 'public', name: 't', why: 'x', remedy: 'y' }],
          },
        },
      },
      ['fail publication_refused'],
    ],
    [
      'publication without generated columns',
      { surroundings: { publication: { ...SOURCE.publication!, hidesGenerated: true } } },
      ['fail publication_generated'],
    ],
    [
      'plugin too old (recorded: what a plugin says of an option that it does not know)',
      {
        side: {
          slotUnreadable: new TimewarpError('PLUGIN_OUTDATED', 'option "include-pk" = "1" is unknown'),
        },
      },
      ['fail plugin_age'],
    ],
    [
      'somebody else reads',
      { surroundings: { slotReader: { pid: 1, application: 'thief', role: 'x' } } },
      ['fail slot_reader'],
    ],
    [
      'a run of ours reads',
      { surroundings: { slotReader: { pid: 1, application: 'pgtimewarp/default', role: 'x' } } },
      [],
    ],
    [
      'expired history stays',
      { history: { windows: [window({ overdueSeconds: 3601 })] } },
      ['warn retention_overdue'],
    ],
    ['expired history stays a while', { history: { windows: [window({ overdueSeconds: 3600 })] } }, []],
    [
      'no range for the next changes',
      { history: { windows: [window({ rangeAhead: false })] } },
      ['warn ranges_ahead'],
    ],
    ['a unit of the archive is stuck', { history: { unverified: [unit(86_401)] } }, ['warn archive_stuck']],
    ['a unit of the archive is under way', { history: { unverified: [unit(86_400)] } }, []],
    ['values missing', { history: { incomplete: [lost(10)] } }, ['warn column_incomplete']],
    ['values missing, recorded long ago', { history: { incomplete: [lost(8 * 86_400)] } }, []],
    [
      'no progress (recorded)',
      { node: { horizon: { ...NODE.horizon!, failures: 1, lastRunOutcome: 'deadline' } } },
      ['warn no_progress'],
    ],
    [
      'no progress again and again',
      { node: { horizon: { ...NODE.horizon!, failures: 3, lastRunOutcome: 'deadline' } } },
      ['fail no_progress'],
    ],
    ['other database', { server: { database: 'other' }, slot: null }, ['fail source_identity']],
    [
      'other server, whose slots are not ours',
      { server: { systemIdentifier: '8' }, slot: null },
      ['fail source_identity'],
    ],
    ['standby, which has no slots', { server: { inRecovery: true }, slot: null }, ['fail source_primary']],
    ['late', { server: { clock: LATER }, condition: { clock: LATER } }, ['warn lag']],
    [
      'not late if runs come every hour',
      { everySeconds: 3600, server: { clock: LATER }, condition: { clock: LATER } },
      [],
    ],
    [
      'idle slots are invalidated between hourly runs',
      { everySeconds: 3600, surroundings: { idleSlotTimeoutSeconds: 7200 } },
      ['warn idle_slot_timeout'],
    ],
    ['far behind', { server: { insertLsn: parseLsn('1/0') } }, ['warn lag']],
    ['failing runs', { node: { horizon: { ...NODE.horizon!, failures: 3 } } }, ['warn run_failures']],
  ])('%s', (_, changes, expected) => {
    expect(trouble(facts(changes))).toEqual(expected);
  });

  test('a database that does not answer fails one check, and the checks that need it are left out', () => {
    const error = new TimewarpError('STORE_UNREACHABLE', 'gone');
    expect(trouble({ ...facts(), store: { facts: null, error } })).toEqual(['fail store_reachable']);
  });

  test('every check that does not pass has a remedy', () => {
    const checks = diagnose(facts({ slot: { walStatus: 'lost' }, server: { walLevel: 'minimal' } })).checks;
    expect(checks.every((check) => (check.status === 'ok') === (check.remedy === null))).toBe(true);
  });
});

test('checks with the same remedy are printed together', () => {
  const checks = [
    fail('node_gap', 'a', 'r'),
    fail('clocks', 'b', 's'),
    fail('slot_present', 'c', 'r'),
    ok('gaps', ''),
  ];
  expect(
    groupByRemedy(checks).map(({ remedy, checks: each }) => [remedy, each.map(({ code }) => code)]),
  ).toEqual([
    ['r', ['node_gap', 'slot_present']],
    ['s', ['clocks']],
  ]);
});

test('the worst check comes first and decides the status', () => {
  const checks = [ok('table', ''), warn('lag', '', 'r'), fail('clocks', '', 'r'), ok('gaps', '')];
  expect(summarize(checks)).toMatchObject({
    status: 'fail',
    checks: [{ code: 'clocks' }, { code: 'lag' }, { code: 'table' }, { code: 'gaps' }],
  });
  expect(summarize([ok('table', '')]).status).toBe('ok');
});

describe('changes of the report', () => {
  const seen = (...checks: Check[]): string[] => troubles(summarize(checks));
  const late = (seconds: number): Check => warn('lag', `The horizon is ${seconds} s and 0/1A2B behind.`, 'r');

  test('a size in a message does not count as a change, in any unit', () => {
    const kept = (size: string): Check => warn('wal_budget', `The slot keeps ${size} of WAL.`, 'r');
    expect(seen(kept('9000 kB'))).toEqual(seen(kept('12 MB')));
  });

  test('figures and positions in messages do not count as changes', () => {
    expect(seen(late(400), ok('gaps', ''))).toEqual(
      seen(warn('lag', 'The horizon is 99 s and F/FF behind.', 'r')),
    );
  });

  test.each<[string, string[], number, string[], boolean]>([
    ['as it was', seen(late(400)), 100, seen(late(500)), false],
    ['all well, as it was', [], 100, [], false],
    ['a check fails', [], 100, seen(fail('clocks', 'x', 'r')), true],
    ['it passes again', seen(fail('clocks', 'x', 'r')), 100, [], true],
    [
      'another table',
      seen(fail('gap_open', 'public.a', 'r')),
      100,
      seen(fail('gap_open', 'public.b', 'r')),
      true,
    ],
    ['worse', seen(late(1)), 100, seen(fail('lag', 'The horizon is 1 s and 0/1 behind.', 'r')), true],
    ['a day has passed', [], 86_000, [], true],
  ])('%s', (_, before, ageSeconds, now, expected) => {
    expect(isNews({ troubles: before, ageSeconds }, now)).toBe(expected);
  });

  test('the first report counts as a change', () => expect(isNews(null, [])).toBe(true));
});

test('the report: the worst in its subject, text for mail, one document for programs', () => {
  const bad = { node: 'shop', ...summarize([ok('gaps', 'No gap.'), fail('clocks', 'Apart.', 'Mend it.')]) };
  const well = { node: 'mail', ...summarize([ok('gaps', 'No gap.')]) };
  const { subject, message } = reportOf([well, bad]);
  expect(subject).toBe('pgtimewarp FAIL: shop');
  const parts = JSON.parse(message) as Record<string, string>;
  expect(parts.email).toBe(
    'Node mail\n1 check passed.\n\nNode shop\nFAIL [clocks] Apart.\n  Mend it.\n1 check fails, 1 check passed.',
  );
  expect(JSON.parse(parts.default!)).toEqual({
    nodes: [
      { node: 'mail', status: 'ok', passed: 1, checks: [] },
      {
        node: 'shop',
        status: 'fail',
        passed: 1,
        checks: [{ code: 'clocks', status: 'fail', message: 'Apart.', remedy: 'Mend it.' }],
      },
    ],
  });
  expect(reportOf([well]).subject).toBe('pgtimewarp OK: mail');
});
