/**
 * Patterns for names of tables, as in \d of psql: `*` stands for any text, `?` for any character; inside quotation marks both stand
 * for themselves. Each pattern has one canonical text, by which the store finds it.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatIdentifier, parseTableName } from './identifiers.ts';

export interface TablePattern {
  /** The canonical text: as a user would type it, with the schema. */
  readonly text: string;
  /** For LIKE with the escape character `\`. */
  readonly schemaLike: string;
  readonly nameLike: string;
  /** Whether the schema has no wildcard. */
  readonly isOneSchema: boolean;
}

/** A piece of a schema or table part: literal text or a wildcard. */
type Piece = { readonly literal: string } | { readonly wildcard: '*' | '?' };

const PIECE = /^(?:"((?:[^"\0]|"")*)"|([*?])|([A-Za-z_0-9$\u0080-\u{10ffff}]+))/u;
const LIKE: Readonly<Record<'*' | '?', string>> = { '*': '%', '?': '_' };

/** Whether the text has a wildcard outside quotation marks. Otherwise it names a single table. */
export function isTablePattern(text: string): boolean {
  return /[*?]/.test(text.replaceAll(/"(?:[^"]|"")*"/g, ''));
}

/** Reads `tenant_*.orders`, `log_*` (in `public`), `"Odd Schema".*`. Throws BAD_TABLE_NAME for everything else. */
export function parseTablePattern(text: string): TablePattern {
  const parts: Piece[][] = [[]];
  for (let rest = text.trim(); rest !== ''; ) {
    if (rest.startsWith('.')) {
      parts.push([]);
      rest = rest.slice(1);
      continue;
    }
    const match = PIECE.exec(rest);
    if (match === null) throw badPattern(text);
    const [whole, quoted, wildcard, plain] = match;
    parts
      .at(-1)!
      .push(
        wildcard === '*' || wildcard === '?'
          ? { wildcard }
          : { literal: quoted?.replaceAll('""', '"') ?? plain!.replace(/[A-Z]/g, (a) => a.toLowerCase()) },
      );
    rest = rest.slice(whole.length);
  }
  if (parts.length > 2 || parts.some((part) => part.length === 0)) throw badPattern(text);
  const [schema, name] = parts.length === 1 ? [[{ literal: 'public' }], parts[0]!] : [parts[0]!, parts[1]!];
  return {
    text: `${format(schema)}.${format(name)}`,
    schemaLike: like(schema),
    nameLike: like(name),
    isOneSchema: schema.every((piece) => 'literal' in piece),
  };
}

/** The pattern for every table of a schema. The schema may be a pattern itself. */
export function patternOfSchema(schema: string): TablePattern {
  return parseTablePattern(`${schema}.*`);
}

/** Every table of every schema, except those of the system and of extensions. */
export const EVERY_TABLE: TablePattern = parseTablePattern('*.*');

function format(pieces: readonly Piece[]): string {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if ('literal' in piece && last !== undefined && 'literal' in last)
      joined[joined.length - 1] = { literal: last.literal + piece.literal };
    else if (!('wildcard' in piece && piece.wildcard === '*' && last !== undefined && isStar(last)))
      joined.push(piece);
  }
  return joined.map((piece) => ('wildcard' in piece ? piece.wildcard : formatPiece(piece.literal))).join('');
}

function isStar(piece: Piece): boolean {
  return 'wildcard' in piece && piece.wildcard === '*';
}

/** Literal text after a wildcard may begin with a digit without quotes. */
function formatPiece(literal: string): string {
  return /^[a-z0-9_$]+$/.test(literal) ? literal : formatIdentifier(literal);
}

function like(pieces: readonly Piece[]): string {
  return pieces
    .map((piece) =>
      'wildcard' in piece ? LIKE[piece.wildcard] : piece.literal.replace(/[\\%_]/g, (each) => `\\${each}`),
    )
    .join('');
}

function badPattern(text: string): TimewarpError {
  try {
    parseTableName(text);
  } catch (error) {
    if (error instanceof TimewarpError) return error;
  }
  return new TimewarpError('BAD_TABLE_NAME', `Not a pattern for table names: ${text.slice(0, 80)}`);
}
