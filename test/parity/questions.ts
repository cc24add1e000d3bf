/**
 * One table of questions about one scenario (scenario.ts). Every way to ask must answer them alike; to add a way, write an
 * {@link Asker} in askers.ts. Answers are compared as text, so every digit counts. A question without an answer fails with the
 * same code and sentence everywhere.
 */
import type { ErrorCode } from '../../core/errors/codes.ts';
import type { TableName } from '../../core/pg/identifiers.ts';
import { lsnOf, timeOf } from '../pg/query/query-history.ts';
import {
  HOSTILE,
  HOSTILE_KEYS,
  type Moment,
  ODD,
  ORDERS,
  REGIONS,
  T,
  TYPED,
  UNWATCHED,
  type WrittenNode,
} from './scenario.ts';

/** A moment of the scenario, or a time (RFC 3339) or LSN as the caller writes it. */
export type When = Moment | { readonly time: string } | { readonly lsn: string };

export interface Question {
  readonly name: string;
  readonly kind: 'asof' | 'diff';
  readonly table: TableName;
  /** A JSON object, or the bare value. */
  readonly pk: string;
  readonly at?: When;
  readonly from?: When;
  readonly to?: When;
  /** Default: the node that follows the source. Any other text is a node that does not exist. */
  readonly node?: WrittenNode | 'nobody';
  /** A text that must be part of every answer, so that not all ways are wrong in the same way. */
  readonly says: string;
  /** The error that every way must return. */
  readonly fails?: ErrorCode;
}

type Rest = Omit<Question, 'name' | 'kind' | 'table' | 'pk' | 'says'>;

function asOf(name: string, table: TableName, pk: string, says: string, rest: Rest = {}): Question {
  return { name, kind: 'asof', table, pk, says, ...rest };
}

function diff(name: string, table: TableName, pk: string, says: string, rest: Rest = {}): Question {
  return { name, kind: 'diff', table, pk, says, ...rest };
}

const at = (n: number, micros = 0): When => ({ time: timeOf(n, micros) });
const EU_7 = '{"id":7,"region":"eu"}';
const hostileKey = (key: string): string => JSON.stringify({ 'k,1': key, 'K"2': '1.5' });

const OF_A_SOURCE: readonly Question[] = [
  asOf('a baseline row', ORDERS, '1', '"big":9007199254740993', { at: 'start' }),
  asOf('microseconds', ORDERS, '1', '2026-01-01T00:00:00.000001+00:00', { at: 'start' }),
  asOf('all digits', ORDERS, '1', '"total":12345678901234567890.123456789', { at: 'updated' }),
  asOf('the context of the commit', ORDERS, '{"id": 1}', '"context":{', { at: 'updated' }),
  asOf('a context that is no JSON', ORDERS, '1', '"context":"no \\"JSON\\""', { at: 'twice' }),
  asOf('the last of a transaction', ORDERS, '{"id": "1"}', 'quoted', { at: 'twice' }),
  asOf('deleted', ORDERS, '1', '"reason":"deleted"', { at: 'deleted' }),
  asOf('now', ORDERS, '1', '"final":false'),
  asOf('never there', ORDERS, '2', '"reason":"not_yet_inserted"', { at: 'updated' }),
  asOf('before tracking', ORDERS, '1', '"reason":"before_tracking"', {
    at: { time: '2020-01-01T00:00:00Z' },
  }),
  asOf('beyond the horizon', ORDERS, '1', '"requested":"2100-01-01T01:00:00.5+01:00"', {
    at: { time: '2100-01-01T01:00:00.5+01:00' },
  }),
  asOf('two key columns', REGIONS, EU_7, '"name":"seven"', { at: 'inserted' }),
  asOf('truncated', REGIONS, EU_7, '"op":"T"', { at: 'deleted' }),
  asOf('a key of pattern signs', REGIONS, '{"region":"%_","id":"-7"}', 'minus seven', { at: 'inserted' }),
  asOf('odd names and keys', ODD, '{"the Key":"ü/&=+ 1"}', '"the Key":"ü/&=+ 1"', { at: 'inserted' }),
  asOf('a bare key like an option', ODD, '--json', '"value":"y"', { at: 'inserted' }),
  asOf(
    'uuid, date, numeric and time, each in another spelling',
    TYPED,
    '{"n":-0.5000,"d":"20260102","at":"2026-01-01T02:00:00.000001+02:00","u":"{A0EEBC999C0B4EF8BB6D6BB9BD380A11}"}',
    '"n":-0.50,',
    { at: 'inserted' },
  ),
  asOf('a key that the types can hold, and no row had', TYPED, typedKey('-0.51'), 'not_yet_inserted', {
    at: 'inserted',
  }),
  ...HOSTILE_KEYS.map((key, index) =>
    asOf(`hostile names, key ${JSON.stringify(key)}`, HOSTILE, hostileKey(key), `\\u0000", ${index}]`, {
      at: 'inserted',
    }),
  ),
  asOf('a hostile key that no row had', HOSTILE, hostileKey(`%' OR true --`), '"status":"absent"', {
    at: 'inserted',
  }),
  diff('all changes', ORDERS, '1', '"op":"S"'),
  diff('changes between', ORDERS, '1', '"changed":{"total":{"from":1.10', { from: 'start', to: 'updated' }),
  diff('changes in one transaction', ORDERS, '1', '"changes":[{', { from: 'inserted', to: 'twice' }),
  diff('no changes', ORDERS, '1', '"changes":[]', { from: 'updated', to: 'inserted' }),
  diff('a truncate', REGIONS, EU_7, '"op":"T"', { from: 'inserted', to: 'deleted' }),
  diff('changes of a hostile key', HOSTILE, hostileKey(HOSTILE_KEYS[0]), '\\u0000", 0]', { from: 'start' }),
];

const OF_WRITTEN_HISTORIES: readonly Question[] = [
  asOf('digits beyond a double', T, '1', '9007199254740993.10', { node: 'gap', at: at(20) }),
  asOf('incomplete', T, '1', '"incomplete":["n"]', { node: 'gap', at: at(35) }),
  asOf('deleted, and known to the microsecond', T, '1', '"reason":null', { node: 'gap', at: at(40, -1) }),
  asOf('before the first change', T, '{"id":"1"}', 'not_yet_inserted', { node: 'gap', at: at(15) }),
  asOf('before tracking of another node', T, '1', 'before_tracking', { node: 'gap', at: at(5) }),
  asOf('in a gap', T, '1', '"reason":"in_gap"', { node: 'gap', at: at(65) }),
  asOf('after the horizon of a node', T, '1', '"final":false', { node: 'gap', at: at(101) }),
  asOf('a position in WAL', T, '1', '"doc":"\\u0000"', { node: 'gap', at: { lsn: lsnOf(35) } }),
  asOf('a position in WAL where the row was absent', T, '1', '"row":null', {
    node: 'gap',
    at: { lsn: lsnOf(50) },
  }),
  asOf('baseline pending', T, '1', '"reason":"baseline_pending"', { node: 'pending', at: at(50) }),
  asOf('a key that changed while the baseline is pending', T, '2', '"n":20', { node: 'pending', at: at(50) }),
  asOf('expired', T, '1', '"reason":"expired"', { node: 'window', at: at(25) }),
  asOf('carried into the window', T, '1', '"n":30', { node: 'window', at: at(80) }),
  asOf('gone before the window', T, '2', '"reason":"not_in_window"', { node: 'window', at: at(80) }),
  asOf('erased', T, '1', '"reason":"erased"', { node: 'erased', at: at(25) }),
  diff('changes around a gap', T, '1', '"in_gap"', { node: 'gap', from: at(5), to: at(90) }),
  diff('changes that are not final', T, '1', '"final":false', { node: 'gap', from: at(35), to: at(120) }),
  diff('changes with a pending baseline', T, '1', '"baseline_pending"', { node: 'pending', to: at(50) }),
  diff('expired changes', T, '1', '"expired"', { node: 'window', from: at(11), to: at(95) }),
];

const REFUSED: readonly Question[] = [
  asOf('a table that is not tracked', UNWATCHED, '1', 'not tracked', { fails: 'TABLE_NOT_TRACKED' }),
  diff('changes of a table that is not tracked', UNWATCHED, '1', 'not tracked', {
    fails: 'TABLE_NOT_TRACKED',
  }),
  asOf('a node that is not there', T, '1', 'no node', { node: 'nobody', fails: 'NODE_UNKNOWN' }),
  asOf('an unknown key column', ORDERS, '{"nr":1}', 'nr', { fails: 'BAD_KEY' }),
  asOf('a column that is no key', ORDERS, '{"id":1,"note":"x"}', 'note', { fails: 'BAD_KEY' }),
  asOf('half a key', REGIONS, '{"id":7}', 'region', { fails: 'BAD_KEY' }),
  asOf('a bare value for two columns', REGIONS, '7', '2 columns', { fails: 'BAD_KEY' }),
  asOf('a key of another type', ORDERS, '1; DROP TABLE orders', 'bigint', { fails: 'BAD_KEY' }),
  asOf('a key out of range', T, '9999999999', 'out of range', { node: 'gap', fails: 'BAD_KEY' }),
  asOf('a key that no text can hold', ODD, '{"the Key":"\\u0000"}', '', { fails: 'BAD_KEY' }),
  diff('half a key of changes', REGIONS, '{"id":7}', 'region', { fails: 'BAD_KEY' }),
  diff('an interval that ends before it begins', ORDERS, '1', '', {
    from: 'twice',
    to: 'start',
    fails: 'BAD_TIME',
  }),
];

export const QUESTIONS: readonly Question[] = [...OF_A_SOURCE, ...OF_WRITTEN_HISTORIES, ...REFUSED];

function typedKey(n: string): string {
  return `{"u":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","d":"2026-01-02","n":"${n}","at":"2026-01-01T00:00:00.000001Z"}`;
}
