/**
 * After a run of a node, compares every key of every hunted table and of its history, as of now, with the live row. At the end:
 * each answer given as of a horizon must still be given.
 */
import type pg from 'pg';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { connect } from '../../../core/pg/connection.ts';
import { readTableFacts, readTypeCatalog } from '../../../core/source/catalog/table-facts.ts';
import { readBaselineChunk } from '../../../core/source/rows/read-chunk.ts';
import { jsonMembers } from '../../../core/types/json-text.ts';
import type { HuntGround, HuntNode } from './ground.ts';
import type { Hunt } from './hunt.ts';

/**
 * By key, the rows as a baseline would read them. null if there is no table or it cannot be read. `too long` if a key is too
 * long for the store: then nothing is compared.
 */
export type LiveRows = ReadonlyMap<string, string> | null | 'too long';

interface Answer {
  readonly schema: string;
  readonly pk: string;
  readonly status: string;
  readonly row: string | null;
  readonly incomplete: string[] | null;
  readonly horizon: string;
}

/** A known answer as of the horizon of its run. */
export interface Given extends Answer {
  readonly node: string;
}

/** The number of answers of a table and a run that are asked again at the end. */
const REMEMBERED = 3;

export async function readLive(source: pg.Client, hunts: readonly Hunt[]): Promise<LiveRows[]> {
  const facts = await readTableFacts(
    source,
    hunts.map(({ name }) => name),
  );
  const types = await readTypeCatalog(source);
  const live: LiveRows[] = [];
  for (const [index, hunt] of hunts.entries()) {
    const each = facts[index] ?? null;
    if (each === null || each.key.length === 0) {
      live.push(null);
      continue;
    }
    const keyColumns = each.key.map((column) => column.name);
    const reading = readBaselineChunk(source, {
      facts: each,
      keyColumns,
      excludedColumns: each.columns
        .filter(({ name, attnum }) => hunt.exclude.includes(name) || attnum === hunt.excludedNumber)
        .flatMap(({ name }) => (keyColumns.includes(name) ? [] : [name])),
      types,
      cursor: null,
      limit: 1000,
    });
    live.push(
      await reading.then(
        ({ rows }) => new Map(rows.map(({ key, rowData }) => [key, rowData])),
        (error: unknown) => {
          if (error instanceof TimewarpError && error.code === 'KEY_TOO_LONG') return 'too long';
          throw error;
        },
      ),
    );
  }
  return live;
}

/** Adds what is wrong to each hunt. @returns answers that are asked again later */
export async function compareAll(
  ground: HuntGround,
  { node, plugin }: HuntNode,
  hunts: readonly Hunt[],
  live: readonly LiveRows[],
): Promise<Given[]> {
  const bySchema = new Map(hunts.map((hunt, index) => [hunt.place.schema, { hunt, rows: live[index]! }]));
  const given: Given[] = [];
  const perHunt = new Map<Hunt, number>();
  for (const answer of await askNow(ground, node, hunts, live)) {
    const { hunt, rows } = bySchema.get(answer.schema)!;
    if (rows === 'too long') continue;
    if (answer.status === 'unknown') {
      hunt.unknown++;
      continue;
    }
    hunt.compared++;
    const what = differs(answer, rows === null ? undefined : (rows.get(answer.pk) ?? null));
    if (what !== null) hunt.wrong.push(`${plugin} ${answer.pk}: ${what}`);
    const remembered = perHunt.get(hunt) ?? 0;
    if (remembered < REMEMBERED) given.push({ ...answer, node });
    perHunt.set(hunt, remembered + 1);
  }
  return given;
}

async function askNow(
  ground: HuntGround,
  node: string,
  hunts: readonly Hunt[],
  live: readonly LiveRows[],
): Promise<Answer[]> {
  const keys = hunts.flatMap(({ place }, index) =>
    keysOf(live[index]!).map((pk) => ({ schema: place.schema, pk })),
  );
  return await asking(ground, node, async (store) => {
    const { rows } = await store.query<Answer>(
      `SELECT r.schema_name AS schema, k.pk, a.status, (a.answer -> 'row')::text AS row, h.applied_lsn AS horizon, ${INCOMPLETE}
         FROM pgtimewarp.tracked_relations AS r
         JOIN pgtimewarp.wal_checkpoints AS h USING (node_id)
        CROSS JOIN LATERAL (
              SELECT w.pk FROM unnest($2::text[], $3::text[]) AS w (schema_name, pk) WHERE w.schema_name = r.schema_name
               UNION
              SELECT c.pk FROM pgtimewarp.row_changes AS c WHERE c.relation_id = r.relation_id) AS k
        CROSS JOIN LATERAL pgtimewarp.asof_answer($1::text, r.schema_name, r.table_name, ${KEY}, NULL, NULL, NULL) AS a
        WHERE r.node_id = $1::text AND r.schema_name = ANY ($4::text[]) AND r.status <> 'untracked' AND r.status <> 'starting'
          AND pg_catalog.json_array_length(k.pk::json) = pg_catalog.cardinality(r.pk_columns)`,
      [
        node,
        keys.map(({ schema }) => schema),
        keys.map(({ pk }) => pk),
        hunts.map(({ place }) => place.schema),
      ],
    );
    return rows;
  });
}

function keysOf(rows: LiveRows): string[] {
  return rows === null || rows === 'too long' ? [] : [...rows.keys()];
}

const INCOMPLETE = `CASE WHEN json_typeof(a.answer -> 'incomplete') = 'array'
                         THEN ARRAY(SELECT json_array_elements_text(a.answer -> 'incomplete')) END AS incomplete`;
const KEY = 'to_jsonb(json_object(r.pk_columns, ARRAY(SELECT json_array_elements_text(k.pk::json))))';

/** Asks as a client does, in one of our sessions. */
async function asking<T>(
  ground: HuntGround,
  node: string,
  ask: (store: pg.Client) => Promise<T>,
): Promise<T> {
  const store = await connect(ground.storeUrl, { side: 'store', node });
  try {
    return await ask(store);
  } finally {
    await store.end();
  }
}

/** Asks again for answers given as of a horizon. @returns by schema, the differences */
export async function changedAnswers(
  ground: HuntGround,
  node: string,
  given: readonly Given[],
): Promise<{ schema: string; what: string }[]> {
  const mine = given.filter((each) => each.node === node);
  const answers = await asking(ground, node, async (store) => {
    const { rows } = await store.query<{
      place: number;
      status: string;
      row: string | null;
      reason: string | null;
    }>(
      `SELECT k.place::int AS place, a.status, a.reason, (a.answer -> 'row')::text AS row
         FROM unnest($2::text[], $3::text[], $4::pg_lsn[]) WITH ORDINALITY AS k (schema_name, pk, lsn, place)
         JOIN pgtimewarp.tracked_relations AS r ON r.node_id = $1::text AND r.schema_name = k.schema_name
        CROSS JOIN LATERAL pgtimewarp.asof_answer($1::text, r.schema_name, r.table_name, ${KEY}, NULL, k.lsn, NULL) AS a`,
      [node, mine.map(({ schema }) => schema), mine.map(({ pk }) => pk), mine.map(({ horizon }) => horizon)],
    );
    return rows;
  });
  return answers.flatMap(({ place, status, row, reason }) => {
    const before = mine[place - 1]!;
    if (status === before.status && row === before.row) return [];
    const what = `${before.pk} as of ${before.horizon} was ${before.status} ${before.row?.slice(0, 80)}, and is now ${status} ${reason} ${row?.slice(0, 80)}`;
    return [{ schema: before.schema, what }];
  });
}

/**
 * How a known answer is wrong; null if it is right. A dropped column may still be in the row.
 * @param live undefined: there is no table; null: the table has no such row
 */
function differs({ status, row, incomplete }: Answer, live: string | null | undefined): string | null {
  if (live === undefined) return status === 'found' ? 'found, and the table is gone' : null;
  if (status === 'absent') return live === null ? null : 'absent, and it is there';
  if (live === null) return 'found, and it is not there';
  const stored = jsonMembers(row!, 0).members;
  const { members } = jsonMembers(live, 0);
  for (const [name, value] of members) {
    if (incomplete?.includes(name) === true || stored.get(name) === value) continue;
    if (!stored.has(name) && incomplete?.some((each) => !members.has(each)) === true) continue; // renamed since
    if (!stored.has(name) && (value === 'null' || [...stored.values()].includes(value))) continue; // added, or renamed
    return `${name} is ${stored.get(name)?.slice(0, 40)} instead of ${value.slice(0, 40)}`;
  }
  return null;
}
