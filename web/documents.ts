/** The documents of the API, as far as the page shows them. /openapi.json describes them whole. */
import type { Digits, Json } from './exact-json.ts';

export interface Point {
  readonly lsn: string;
  readonly ts: string;
}
export interface NodeDocument {
  readonly node: string;
  readonly status: string;
  readonly status_reason: string | null;
  readonly database: string;
  readonly plugin: string;
  readonly horizon: Point | null;
  readonly caught_up: boolean;
  readonly last_run: { readonly at: string; readonly outcome: string | null } | null;
}
export interface Check {
  readonly code: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  readonly remedy: string | null;
}
export interface Health {
  readonly nodes: readonly {
    readonly node: string;
    readonly status: Check['status'];
    readonly checks: readonly Check[];
  }[];
}
export interface Table {
  readonly schema: string;
  readonly table: string;
  readonly segment: string;
  readonly path: string;
  readonly status: string;
  readonly status_reason: string | null;
  readonly key: readonly string[];
  readonly tracked_from: Point | null;
  readonly tracked_to: Point | null;
  readonly baseline: string;
  readonly retention: string | null;
}
export interface UnknownInterval {
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string;
  readonly tables?: readonly { readonly schema: string; readonly table: string }[];
}
export interface Frame {
  readonly from: string | null;
  readonly to: string | null;
  readonly horizon: Point | null;
  readonly final: boolean;
  readonly unknown: readonly UnknownInterval[];
  readonly next: string | null;
}
export interface ActivityBucket {
  readonly from: string;
  readonly to: string;
  readonly commits: Digits;
  readonly inserts: Digits;
  readonly updates: Digits;
  readonly deletes: Digits;
  readonly truncates: Digits;
  readonly largest: Digits;
}
export interface Activity extends Omit<Frame, 'next'> {
  readonly buckets: readonly ActivityBucket[];
}
export interface TransactionTable {
  readonly schema: string;
  readonly table: string;
  readonly inserts: Digits;
  readonly updates: Digits;
  readonly deletes: Digits;
  readonly truncates: Digits;
}
export interface Transaction {
  readonly lsn: string;
  readonly ts: string;
  readonly xid: string;
  readonly context: Json;
  readonly tables: readonly TransactionTable[];
  readonly rows: Digits;
}
export interface Transactions extends Frame {
  readonly transactions: readonly Transaction[];
}
export type Row = Readonly<Record<string, Json>>;
export type Key = Readonly<Record<string, string>>;
export type Changed = Readonly<Record<string, { readonly from: Json; readonly to: Json }>>;
interface Sides {
  readonly before: Row | null;
  readonly after: Row | null;
  readonly changed: Changed | null;
  readonly incomplete?: readonly string[];
  readonly omitted?: readonly string[];
}
export interface TransactionChange extends Sides {
  readonly schema: string;
  readonly table: string;
  readonly pk: Key;
  readonly op: string;
}
export interface TransactionChanges extends Transaction, Frame {
  readonly changes: readonly TransactionChange[];
}
export interface TableChange extends Sides {
  readonly pk: Key;
  readonly op: string;
  readonly lsn: string;
  readonly ts: string;
  readonly context: Json;
}
export interface TableChanges extends Frame {
  readonly changes: readonly TableChange[];
}
export interface Version {
  readonly op: string;
  readonly lsn: string;
  readonly ts: string;
  readonly xid: string | null;
  readonly row: Row | null;
  readonly changed: Changed | null;
  readonly context: Json;
  readonly incomplete?: readonly string[];
  readonly omitted?: readonly string[];
}
export interface Diff extends Omit<Frame, 'next'> {
  readonly changes: readonly Version[];
  readonly next_cursor?: string;
}
export interface TableRows {
  readonly as_of: { readonly requested: string | null; readonly lsn: string };
  readonly horizon: Point | null;
  readonly final: boolean;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  readonly next: string | null;
}
export interface Found extends Frame {
  readonly rows: readonly {
    readonly pk: Key;
    readonly valid_from: { readonly lsn: string; readonly ts: string | null };
    readonly valid_to: { readonly lsn: string; readonly ts: string | null } | null;
    readonly row: Row | null;
    readonly incomplete?: readonly string[];
  }[];
}
export interface RestoreConflict {
  readonly schema: string;
  readonly table: string;
  readonly pk: Readonly<Record<string, string>>;
  readonly reason: string;
  readonly expected: Row | null;
  readonly found: Row | null;
}
export interface RestorePlan {
  readonly tables: readonly {
    readonly schema: string;
    readonly table: string;
    readonly inserts: Digits;
    readonly updates: Digits;
    readonly deletes: Digits;
  }[];
  readonly conflicts: readonly RestoreConflict[];
  readonly refused: readonly { readonly schema: string; readonly table: string; readonly message: string }[];
  readonly notes: readonly string[];
  /** null: there is nothing to put back, or the history cannot put it back. */
  readonly sql: string | null;
}
