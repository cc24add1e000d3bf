/**
 * The nodes and tables that a caller may read, from a claim of its token. The claim is a list of words with spaces between them.
 * Each word is the name of a node, or `node/schema.table` with the table percent-encoded as in a path; `*` means all. A caller
 * without the claim may read nothing.
 */
import { formatTableName, type TableName } from '../core/pg/identifiers.ts';
import { parseTableSegment } from '../documents/table-segment.ts';

export class Grants {
  readonly #everything: boolean;
  /** Whole nodes. */
  readonly #nodes = new Set<string>();
  /** By node: tables by their names in the form of `formatTableName`. */
  readonly #tables = new Map<string, Map<string, TableName>>();

  /**
   * @param claim as API Gateway passes it on: a text, or a list, which an HTTP API turns into the text `[a b]`. A word that names
   * no node or table is ignored.
   */
  constructor(claim: unknown) {
    const words = wordsOf(claim);
    this.#everything = words.includes('*');
    for (const word of words) {
      const slash = word.indexOf('/');
      if (slash === -1) {
        this.#nodes.add(word);
        continue;
      }
      const [node, table] = [word.slice(0, slash), nameOf(word.slice(slash + 1))];
      if (table === null) continue;
      const tables = this.#tables.get(node) ?? new Map<string, TableName>();
      this.#tables.set(node, tables.set(formatTableName(table), table));
    }
  }

  /** Whether the caller may read the node or at least one of its tables. */
  mayReadOf(node: string): boolean {
    return this.mayReadAllOf(node) || this.#tables.has(node);
  }

  mayRead(node: string, table: TableName): boolean {
    return this.mayReadAllOf(node) || this.#tables.get(node)?.has(formatTableName(table)) === true;
  }

  /** The tables of the node that the caller may read; null: all. */
  tablesOf(node: string): readonly TableName[] | null {
    return this.mayReadAllOf(node) ? null : [...(this.#tables.get(node)?.values() ?? [])];
  }

  /** Whether the caller may read all of the node. Texts about a whole node may name any of its tables. */
  mayReadAllOf(node: string): boolean {
    return this.#everything || this.#nodes.has(node);
  }
}

function wordsOf(claim: unknown): string[] {
  if (Array.isArray(claim)) return claim.flatMap(wordsOf);
  if (typeof claim !== 'string') return [];
  const list = /^\[(.*)\]$/s.exec(claim);
  return (list?.[1] ?? claim).split(/[\s,]+/).filter((word) => word !== '');
}

function nameOf(segment: string): TableName | null {
  try {
    return parseTableSegment(decodeURIComponent(segment));
  } catch {
    return null;
  }
}
