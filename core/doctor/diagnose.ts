/**
 * Runs all checks on facts that were read before; it sends no query and changes nothing. A new check is a line in the file
 * of its area. A new area is a file and a line here.
 */
import { type Diagnosis, summarize } from './check.ts';
import { checkConnections } from './checks/connections.ts';
import { checkGaps } from './checks/gaps.ts';
import { checkHistory } from './checks/history.ts';
import { checkProgress } from './checks/progress.ts';
import { checkProof } from './checks/proof.ts';
import { checkPublication } from './checks/publication.ts';
import { checkSessions } from './checks/sessions.ts';
import { checkSlot } from './checks/slot.ts';
import { checkSource } from './checks/source.ts';
import { checkStoreCondition } from './checks/store.ts';
import { checkTables } from './checks/tables.ts';
import { checkWal } from './checks/wal.ts';
import type { DoctorFacts } from './facts.ts';

const AREAS = [
  checkConnections,
  checkSource,
  checkSessions,
  checkSlot,
  checkWal,
  checkPublication,
  checkProgress,
  checkTables,
  checkGaps,
  checkStoreCondition,
  checkHistory,
  checkProof,
];

export function diagnose(facts: DoctorFacts): Diagnosis {
  return summarize(AREAS.flatMap((check) => check(facts)));
}
