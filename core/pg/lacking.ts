/**
 * Recognises errors of statements that a platform, a version or a role does not support. For instance Amazon Aurora refuses
 * pg_stat_wal, and without logical replication also the functions that return positions.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { sqlState } from './database-error.ts';

/**
 * SQLSTATEs: feature_not_supported, insufficient_privilege, undefined_function, undefined_table, undefined_column,
 * object_not_in_prerequisite_state.
 */
const LACKING = new Set(['0A000', '42501', '42883', '42P01', '42703', '55000']);

export function isLacking(error: unknown): boolean {
  const state = error instanceof TimewarpError ? error.facts.sqlstate : sqlState(error);
  return typeof state === 'string' && LACKING.has(state);
}
