/**
 * Records the result of a diagnosis and decides whether it is news: a check begins or stops to warn or fail, or the last report
 * is a day old. A check whose message differs only in its figures counts as unchanged: it is not written or reported again.
 */
import type { Queryable } from '../pg/connection.ts';
import type { Check, Diagnosis } from './check.ts';

/** The code of the event that ends a report. */
export const REPORT_CODE = 'DOCTOR_REPORT';
/** A day minus half an hour. With a full day, the daily report would come one diagnosis later every day. */
const DAILY_SECONDS = 86_400 - 1_800;

/** The checks that warn or fail, as texts without figures: equal as long as no check begins or stops to warn or fail. */
export function troubles({ checks }: Diagnosis): string[] {
  return checks
    .filter((check) => check.status !== 'ok')
    .map(trouble)
    .sort();
}

function trouble({ status, code, message }: Check): string {
  return `${status} ${code}: ${withoutFigures(message)}`;
}

/** Replaces positions and sizes before numbers, because both contain letters. */
function withoutFigures(message: string): string {
  return message
    .replace(/\b[0-9A-F]+\/[0-9A-F]+\b/g, '#')
    .replace(/\d+ (?:bytes|kB|MB|GB|TB)\b/g, '#')
    .replace(/\d+/g, '#');
}

/** @param before the last report and its age; null when there is none */
export function isNews(
  before: { readonly troubles: readonly string[]; readonly ageSeconds: number } | null,
  now: readonly string[],
): boolean {
  return (
    before === null || before.ageSeconds >= DAILY_SECONDS || before.troubles.join('\n') !== now.join('\n')
  );
}

/**
 * Writes an event for each check that begins or stops to fail or warn. If the diagnosis is news, it also writes a report event.
 * @returns whether it is news
 */
export async function recordDiagnosis(
  store: Queryable,
  node: string,
  diagnosis: Diagnosis,
): Promise<boolean> {
  const before = await readLastReport(store, node);
  const now = troubles(diagnosis);
  if (!isNews(before, now)) return false;
  const known = new Set(before?.troubles);
  const begun = diagnosis.checks.filter((check) => check.status !== 'ok' && !known.has(trouble(check)));
  const codes = new Set(now.map(codeOf));
  const ended = [...new Set([...known].map(codeOf))].filter((code) => !codes.has(code));
  const events = [
    ...begun.map(({ status, code, message }) => ({
      severity: status as string,
      code: code as string,
      message,
    })),
    ...ended.map((code) => ({ severity: 'info', code, message: 'The check passes again.' })),
  ];
  await store.query(
    `INSERT INTO pgtimewarp.health_events (node_id, severity, code, message, meta)
     SELECT $1::text, f.severity, f.code, f.message, jsonb_build_object('by', 'doctor')
       FROM unnest($2::text[], $3::text[], $4::text[]) AS f (severity, code, message)
     UNION ALL
     SELECT $1::text, $5::text, $6::text, $7::text, jsonb_build_object('by', 'doctor', 'findings', $8::text[])`,
    [
      node,
      events.map((event) => event.severity),
      events.map((event) => event.code),
      events.map((event) => event.message),
      diagnosis.status === 'ok' ? 'info' : diagnosis.status,
      REPORT_CODE,
      summary(diagnosis.checks),
      now,
    ],
  );
  return true;
}

/** `2 checks fail, 1 warns, 27 passed.` */
export function summary(checks: readonly Check[]): string {
  const [failing, warning] = (['fail', 'warn'] as const).map(
    (status) => checks.filter((check) => check.status === status).length,
  ) as [number, number];
  const passed = checks.length - failing - warning;
  const parts = [
    ...(failing > 0 ? [`${failing} ${failing === 1 ? 'check fails' : 'checks fail'}`] : []),
    ...(warning > 0 ? [`${warning} ${warning === 1 ? 'warns' : 'warn'}`] : []),
    `${passed} ${passed === 1 ? 'check' : 'checks'} passed`,
  ];
  return `${parts.join(', ')}.`;
}

async function readLastReport(
  store: Queryable,
  node: string,
): Promise<{ troubles: string[]; ageSeconds: number } | null> {
  const { rows } = await store.query<{ troubles: string[]; age: number }>(
    `SELECT ARRAY(SELECT jsonb_array_elements_text(e.meta -> 'findings')) AS troubles,
            least(extract(epoch FROM now() - e.ts), 1000000)::int AS age
       FROM pgtimewarp.health_events AS e
      WHERE e.node_id = $1::text AND e.code = $2::text
      ORDER BY e.id DESC LIMIT 1`,
    [node, REPORT_CODE],
  );
  const row = rows[0];
  return row === undefined ? null : { troubles: row.troubles, ageSeconds: row.age };
}

function codeOf(trouble: string): string {
  return /^\w+ (\w+):/.exec(trouble)?.[1] ?? trouble;
}
