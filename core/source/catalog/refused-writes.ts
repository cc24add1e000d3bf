/**
 * Decides which tables must not be published. If a table is in a publication that cannot show its replica identity, the server refuses
 * UPDATE and DELETE (PostgreSQL manual, "Logical Replication", "Publication"; in its source CheckCmdReplicaIdentity). That would break
 * the application. Pure. Causes that we can remove in our own publication do not count: the column list (column-lists.ts), and hidden
 * stored generated columns (publication.ts).
 */
import { formatTableName, quoteIdentifier } from '../../pg/identifiers.ts';
import type { TableFacts } from './table-facts.ts';

export interface RefusedWrites {
  /** A sentence without a full stop. */
  readonly why: string;
  readonly remedy: string;
}

/** Why the server refuses writes of the table while it is published whole; null: it does not. */
export function whyWritesRefused(facts: TableFacts): RefusedWrites | null {
  const virtual = virtualColumnsOf(facts);
  for (const holder of rowHolders(facts)) {
    const table = formatTableName(holder);
    if (holder.identity === 'none') {
      return {
        why: `${table} has no replica identity`,
        remedy: `Give ${table} a valid primary key, and: ALTER TABLE ${table} REPLICA IDENTITY DEFAULT;`,
      };
    }
    if (holder.identity === 'full' && virtual.length > 0) {
      return {
        why: `${table} has REPLICA IDENTITY FULL and ${named(virtual)}, which no publication can show`,
        remedy: `ALTER TABLE ${table} REPLICA IDENTITY DEFAULT;`,
      };
    }
  }
  return null;
}

/** What must be added to a table before {@link whyWritesRefused} has a reason, if it already has half of one; null: it has none. */
export function whatWouldRefuseWrites(facts: TableFacts): string | null {
  if (!facts.publishesGenerated || whyWritesRefused(facts) !== null) return null; // a server without virtual columns has no such state
  const virtual = virtualColumnsOf(facts);
  if (virtual.length > 0) return `REPLICA IDENTITY FULL, beside ${named(virtual)}`;
  const full = rowHolders(facts).find(({ identity }) => identity === 'full');
  return full === undefined
    ? null
    : `a virtual generated column, beside the REPLICA IDENTITY FULL of ${formatTableName(full)}`;
}

/** The tables whose replica identity matters. For a partitioned table these are the leaves, because rows are written there. */
function rowHolders(facts: TableFacts): readonly Pick<TableFacts, 'schema' | 'name' | 'identity'>[] {
  return facts.relkind === 'p' ? facts.leaves : [facts];
}

function virtualColumnsOf({ columns }: TableFacts): string[] {
  return columns.filter(({ generated }) => generated === 'v').map(({ name }) => quoteIdentifier(name));
}

function named(virtual: readonly string[]): string {
  return virtual.length === 1
    ? `the virtual generated column ${virtual[0]}`
    : `the virtual generated columns ${virtual.join(', ')}`;
}
