/**
 * What a caller may ask about, as a claim of its token says it: words apart by spaces, each the name of a node, or
 * `node/schema.table` with the table as it stands in a path, percent-encoded; `*` is everything. Who has no claim may nothing.
 */
import { formatTableName, type TableName } from '../core/pg/identifiers.ts';
import { parseTableSegment } from '../documents/table-segment.ts';

export class Grants {
  readonly #everything: boolean;
  /** Whole nodes. */
  readonly #nodes = new Set<string>();
  /** By node, names as `formatTableName` writes them. */
  readonly #tables = new Map<string, Set<string>>();

  /**
   * @param claim as API Gateway hands it on: a text, or a list, which an HTTP API makes the text `[a b]` of. What names nothing
   * allows nothing.
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
      const tables = this.#tables.get(node) ?? new Set();
      this.#tables.set(node, tables.add(formatTableName(table)));
    }
  }

  /** Whether there is anything of the node that may be read. */
  mayReadOf(node: string): boolean {
    return this.mayReadAllOf(node) || this.#tables.has(node);
  }

  mayRead(node: string, table: TableName): boolean {
    return this.mayReadAllOf(node) || this.#tables.get(node)?.has(formatTableName(table)) === true;
  }

  /** What is said of a node as a whole may name any of its tables. */
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
