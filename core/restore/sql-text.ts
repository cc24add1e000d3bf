/** Pieces of SQL text that the parts of a restore's script share. */

/** SQLSTATE of a script that finds conflicts, and of one that is refused for anything else. */
export const CONFLICT_STATE = 'TW001';
export const REFUSED_STATE = 'TW002';

/** Not an operator that somebody put in the search_path. */
export const EQUALS = 'OPERATOR(pg_catalog.=)';

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function textArray(texts: readonly string[]): string {
  return `ARRAY[${texts.map(literal).join(', ')}]::text[]`;
}

/** A block whose quotes cannot end early, whatever names it holds. */
export function block(body: string): string {
  let tag = '$restore$';
  for (let number = 1; body.includes(tag); number++) tag = `$restore${number}$`;
  return `DO ${tag}\n${body}\n${tag}`;
}

/** @param message SQL */
export const refuse = (message: string): string =>
  `RAISE EXCEPTION USING ERRCODE = '${REFUSED_STATE}', MESSAGE = ${message}`;
