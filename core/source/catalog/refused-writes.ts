/**
 * Which tables must not be published: the server refuses UPDATE and DELETE of a table as soon as a publication holds it that
 * cannot show what it takes for the old row (PostgreSQL manual, "Logical Replication", "Publication"; in its source
 * CheckCmdReplicaIdentity). That hurts the application, not us. Pure. What a publication of ours can be changed for is no
 * reason: its column list (column-lists.ts) and whether it shows stored generated columns (publication.ts).
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

/** What would have to come for {@link whyWritesRefused} to have a reason, where half of it is there; null: nothing is. */
export function whatWouldRefuseWrites(facts: TableFacts): string | null {
  if (!facts.publishesGenerated || whyWritesRefused(facts) !== null) return null; // without virtual columns there is no such state
  const virtual = virtualColumnsOf(facts);
  if (virtual.length > 0) return `REPLICA IDENTITY FULL, beside ${named(virtual)}`;
  const full = rowHolders(facts).find(({ identity }) => identity === 'full');
  return full === undefined
    ? null
    : `a virtual generated column, beside the REPLICA IDENTITY FULL of ${formatTableName(full)}`;
}

/** The tables whose replica identity counts: rows are written to partitions, whatever identity their root has. */
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
