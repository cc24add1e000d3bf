/**
 * One scenario and one table of questions about it, which every way of asking must answer alike: to add a way, write an
 * {@link Asker} and a test that goes through {@link QUESTIONS}. Answers are compared as text, every digit of them.
 */
import { jsonMembers } from '../../core/types/json-text.ts';

export const TABLES = `
  CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, big bigint, note text, at timestamptz, doc jsonb, raw bytea);
  INSERT INTO orders VALUES (1, 1.10, 9007199254740993, 'first', '2026-01-01 00:00:00.000001Z', '{"a": 1.0}', '\\\\x00ff');
  CREATE TABLE regions (region text, id int, name text, PRIMARY KEY (region, id));
  CREATE SCHEMA "Odd.Schema";
  CREATE TABLE "Odd.Schema"."T ä/%" ("the Key" text PRIMARY KEY, value text);`;

/** Tracked before anything happens, as the command line takes them. */
export const TRACKED = ['orders', 'regions', '"Odd.Schema"."T ä/%"'];

/** One transaction each; a moment of that name lies after it. */
export const STEPS = {
  updated: `SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"who": "ä \\"x\\""}'); UPDATE orders SET total = 12345678901234567890.123456789, note = NULL`,
  inserted: `INSERT INTO regions VALUES ('eu', 7, 'seven'); INSERT INTO "Odd.Schema"."T ä/%" VALUES ('ü/&=+ 1', 'x')`,
  twice: `SELECT pg_logical_emit_message(true, 'pgtimewarp', 'no "JSON"'); UPDATE orders SET note = 'a' WHERE id = 1; UPDATE orders SET note = E'b\\\\u0001 "quoted"' WHERE id = 1`,
  deleted: 'DELETE FROM orders; TRUNCATE regions',
} as const;

export type Moment = 'start' | keyof typeof STEPS;

export interface Question {
  readonly name: string;
  readonly kind: 'asof' | 'diff';
  readonly table: { readonly schema: string; readonly name: string };
  /** A JSON object, or the bare value. */
  readonly pk: string;
  /** A moment of the scenario, or a time as it is asked for. */
  readonly at?: Moment | { readonly time: string };
  readonly from?: Moment;
  readonly to?: Moment;
  /** Part of every answer, so that all cannot be wrong alike. */
  readonly says: string;
}

const orders = { schema: 'public', name: 'orders' };
const regions = { schema: 'public', name: 'regions' };
const odd = { schema: 'Odd.Schema', name: 'T ä/%' };

export const QUESTIONS: readonly Question[] = [
  {
    name: 'a baseline row',
    kind: 'asof',
    table: orders,
    pk: '1',
    at: 'start',
    says: '"big":9007199254740993',
  },
  {
    name: 'microseconds',
    kind: 'asof',
    table: orders,
    pk: '1',
    at: 'start',
    says: '2026-01-01T00:00:00.000001+00:00',
  },
  {
    name: 'all digits',
    kind: 'asof',
    table: orders,
    pk: '1',
    at: 'updated',
    says: '"total":12345678901234567890.123456789',
  },
  {
    name: 'the context of the commit',
    kind: 'asof',
    table: orders,
    pk: '{"id": 1}',
    at: 'updated',
    says: '"context":{',
  },
  {
    name: 'a context that is no JSON',
    kind: 'asof',
    table: orders,
    pk: '1',
    at: 'twice',
    says: '"context":"no \\"JSON\\""',
  },
  {
    name: 'the last of a transaction',
    kind: 'asof',
    table: orders,
    pk: '{"id": "1"}',
    at: 'twice',
    says: 'quoted',
  },
  { name: 'deleted', kind: 'asof', table: orders, pk: '1', at: 'deleted', says: '"reason":"deleted"' },
  { name: 'now', kind: 'asof', table: orders, pk: '1', says: '"final":false' },
  {
    name: 'never there',
    kind: 'asof',
    table: orders,
    pk: '2',
    at: 'updated',
    says: '"reason":"not_yet_inserted"',
  },
  {
    name: 'before tracking',
    kind: 'asof',
    table: orders,
    pk: '1',
    at: { time: '2020-01-01T00:00:00Z' },
    says: '"reason":"before_tracking"',
  },
  {
    name: 'beyond the horizon',
    kind: 'asof',
    table: orders,
    pk: '1',
    at: { time: '2100-01-01T01:00:00.5+01:00' },
    says: '"requested":"2100-01-01T01:00:00.5+01:00"',
  },
  {
    name: 'two key columns',
    kind: 'asof',
    table: regions,
    pk: '{"id":7,"region":"eu"}',
    at: 'inserted',
    says: '"name":"seven"',
  },
  {
    name: 'truncated',
    kind: 'asof',
    table: regions,
    pk: '{"id":7,"region":"eu"}',
    at: 'deleted',
    says: '"op":"T"',
  },
  {
    name: 'odd names and keys',
    kind: 'asof',
    table: odd,
    pk: '{"the Key":"ü/&=+ 1"}',
    at: 'inserted',
    says: '"the Key":"ü/&=+ 1"',
  },
  { name: 'all changes', kind: 'diff', table: orders, pk: '1', says: '"op":"S"' },
  {
    name: 'changes between',
    kind: 'diff',
    table: orders,
    pk: '1',
    from: 'start',
    to: 'updated',
    says: '"changed":{"total":{"from":1.10',
  },
  {
    name: 'changes in one transaction',
    kind: 'diff',
    table: orders,
    pk: '1',
    from: 'inserted',
    to: 'twice',
    says: '"changes":[{',
  },
  {
    name: 'no changes',
    kind: 'diff',
    table: orders,
    pk: '1',
    from: 'updated',
    to: 'inserted',
    says: '"changes":[]',
  },
  {
    name: 'a truncate',
    kind: 'diff',
    table: regions,
    pk: '{"id":7,"region":"eu"}',
    from: 'inserted',
    to: 'deleted',
    says: '"op":"T"',
  },
];

/** A question with its instants as they are written. */
export interface Asked {
  readonly question: Question;
  readonly at?: string;
  readonly from?: string;
  readonly to?: string;
}

/** One way of asking: the answer's JSON text, whatever it is wrapped in taken off. */
export type Asker = (asked: Asked) => Promise<string>;

/** Without what differs between two moments of asking: the horizon, and the time that "now" was. */
export function normalise(text: string, { question }: Asked): string {
  const { members } = jsonMembers(text.trim(), 0);
  members.delete('horizon');
  if (question.at === undefined) members.delete('as_of');
  if (question.kind === 'diff' && question.to === undefined) members.delete('to');
  return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
}
