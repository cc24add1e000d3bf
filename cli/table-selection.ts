/** The tables of `track` and `untrack`: names, patterns, whole schemas, or all tables. */
import type { Command } from 'commander';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { formatTableName, parseTableName, type TableName } from '../core/pg/identifiers.ts';
import {
  EVERY_TABLE,
  isTablePattern,
  parseTablePattern,
  patternOfSchema,
  type TablePattern,
} from '../core/pg/table-pattern.ts';
import { collect } from './arguments.ts';

export interface SelectionFlags {
  readonly schema?: readonly string[];
  readonly all?: boolean;
}

export interface Selection {
  readonly names: readonly TableName[];
  readonly patterns: readonly TablePattern[];
}

/** The argument and the options that {@link selectTables} reads. */
export function selectionOptions(command: Command): Command {
  return command
    .argument(
      '[table...]',
      `written as in psql: orders, sales.orders, "Odd Name"; or a pattern in quotation marks: 'tenant_*.orders'`,
      collect,
    )
    .option('--schema <schema>', 'every table of the schema; may be repeated', collect)
    .option('--all', 'every table of the database');
}

/** Throws BAD_TABLE_NAME, and BAD_FLAGS when nothing was named. */
export function selectTables(texts: readonly string[], { schema = [], all }: SelectionFlags): Selection {
  const named = texts.filter((text) => !isTablePattern(text)).map(parseTableName);
  const patterns = [
    ...texts.filter(isTablePattern).map(parseTablePattern),
    ...schema.map(patternOfSchema),
    ...(all ? [EVERY_TABLE] : []),
  ];
  if (named.length === 0 && patterns.length === 0)
    throw new TimewarpError('BAD_FLAGS', 'No table is named.', {
      remedy: "Name tables or a pattern ('tenant_*.orders'), or use --schema SCHEMA or --all.",
    });
  return {
    names: [...new Map(named.map((name) => [formatTableName(name), name])).values()],
    patterns: [...new Map(patterns.map((pattern) => [pattern.text, pattern])).values()],
  };
}
