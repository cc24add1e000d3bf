/** Keeps what a doctor found: one health event per check that does not pass, so that `events` tells when it began. */
import type { Queryable } from '../pg/connection.ts';
import type { Diagnosis } from './check.ts';

/** Writes nothing when all is well. */
export async function recordDiagnosis(store: Queryable, node: string, { checks }: Diagnosis): Promise<void> {
  const found = checks.filter((check) => check.status !== 'ok');
  if (found.length === 0) return;
  await store.query(
    `INSERT INTO pgtimewarp.health_events (node_id, severity, code, message, meta)
     SELECT $1::text, f.severity, f.code, f.message, jsonb_build_object('by', 'doctor')
       FROM unnest($2::text[], $3::text[], $4::text[]) AS f (severity, code, message)`,
    [
      node,
      found.map((check) => check.status),
      found.map((check) => check.code),
      found.map((check) => check.message),
    ],
  );
}
