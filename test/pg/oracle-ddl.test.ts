/**
 * Random DDL, maintenance and settings between random runs, through both plugins: after each run every key of the table and of
 * its history is, as of now, what it is in the table, or unknown. HUNT_SEED repeats one sequence, HUNT_SEQUENCES makes
 * the hunt longer, HUNT_STEPS a sequence.
 */
import { expect, test } from 'vitest';
import { readBaselineChunk } from '../../core/baseline/read-chunk.ts';
import { poll } from '../../core/poll.ts';
import { init } from '../../core/setup/init.ts';
import { whyNotTrackable } from '../../core/setup/trackable.ts';
import { readTableFacts, readTypeCatalog } from '../../core/slot/table-facts.ts';
import { track, untrack } from '../../core/track.ts';
import { jsonMembers } from '../../core/types/json-text.ts';
import { createSql, nextStep, type Place, randomOf } from '../support/oracle/ddl-steps.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { type TestDatabases, testDatabases } from '../support/test-databases.ts';

const SEQUENCES = Number.parseInt(process.env.HUNT_SEQUENCES ?? '100', 10);
/** So many sequences share their runs. */
const TOGETHER = 10;
const STEPS = Number.parseInt(process.env.HUNT_STEPS ?? '12', 10);
/** Unless one is asked for, the sequences are the first or the second hundred: all of these have been green. */
const FIRST = Number.parseInt(process.env.HUNT_SEED ?? (Math.random() < 0.5 ? '1' : '101'), 10);

test(`${SEQUENCES} sequences of DDL and runs: no answer is wrong (HUNT_SEED=${FIRST})`, {
  timeout: 60_000 + SEQUENCES * 10_000,
}, async () => {
  await using databases = await testDatabases();
  const nodes = PLUGINS.filter((plugin) => needOf(plugin).met).map((plugin) => `${databases.node}_${plugin}`);
  const { sourceUrl, storeUrl } = databases;
  for (const node of nodes) {
    const plugin = node.endsWith('wal2json') ? 'wal2json' : 'pgoutput';
    await init({ sourceUrl, storeUrl, node, plugin, slotName: null, version: 'test' });
  }
  const wrong: string[] = [];
  let compared = 0;
  let unknown = 0;
  let unmended = 0;
  try {
    for (let first = FIRST; first < FIRST + SEQUENCES && wrong.length < 5; first += TOGETHER) {
      const seeds = Array.from(
        { length: Math.min(TOGETHER, FIRST + SEQUENCES - first) },
        (_, i) => first + i,
      );
      const hunts = seeds.map((seed) => new Hunt(databases, nodes, seed));
      await runTogether(databases, nodes, hunts, randomOf(first));
      for (const hunt of hunts) {
        compared += hunt.compared;
        unknown += hunt.unknown;
        unmended += hunt.unmended;
        if (hunt.wrong.length === 0) continue;
        const seed = `HUNT_SEED=${first} HUNT_SEQUENCES=${seeds.length}, in it ${hunt.seed}`;
        wrong.push(`${seed}: ${hunt.wrong.slice(0, 2).join('; ')}\n  ${hunt.said.join('\n  ')}`);
        console.log(wrong.at(-1));
      }
    }
  } finally {
    for (const node of nodes)
      await databases.source.query('SELECT pg_drop_replication_slot($1::name)', [`pgtimewarp_${node}`]);
  }
  console.log(
    `hunt over DDL: seeds ${FIRST} to ${FIRST + SEQUENCES - 1}, ${compared} answers compared, ${unknown} unknown, ${unmended} tables not whole at the end`,
  );
  expect(wrong).toEqual([]);
  expect(compared).toBeGreaterThan(unknown);
});

/** Sequences on tables of their own share the runs. */
async function runTogether(
  databases: TestDatabases,
  nodes: readonly string[],
  hunts: readonly Hunt[],
  outOf: (n: number) => number,
): Promise<void> {
  const { sourceUrl, storeUrl } = databases;
  const runAndCompare = async (node: string): Promise<void> => {
    let outcome: string;
    try {
      const result = await poll({ sourceUrl, storeUrl, node });
      outcome = result.outcome === 'done' && !result.caughtUp ? 'not caught up' : result.outcome;
    } catch (error) {
      outcome = (error as Error).message;
    }
    for (const hunt of hunts) await hunt.compare(node, outcome);
  };
  for (const hunt of hunts) await hunt.begin();
  for (let step = 0; step < STEPS; step++) {
    for (const hunt of hunts) await hunt.step();
    for (const node of nodes) if (outOf(3) === 0) await runAndCompare(node);
  }
  for (const node of nodes) for (let runs = 0; runs < 5; runs++) await runAndCompare(node);
  for (const hunt of hunts) await hunt.end();
}

class Hunt {
  readonly seed: number;
  readonly wrong: string[] = [];
  readonly said: string[] = [];
  compared = 0;
  unknown = 0;
  unmended = 0;
  readonly #databases: TestDatabases;
  readonly #nodes: readonly string[];
  readonly #outOf: (n: number) => number;
  readonly #place: Place;
  readonly #shape: number;

  constructor(databases: TestDatabases, nodes: readonly string[], seed: number) {
    this.seed = seed;
    this.#databases = databases;
    this.#nodes = nodes;
    this.#outOf = randomOf(seed);
    this.#shape = this.#outOf(7);
    this.#place = { schema: `s${seed}`, table: 't', isPartitioned: this.#shape >= 5 };
  }

  async begin(): Promise<void> {
    const { source, sourceUrl, storeUrl } = this.#databases;
    const table = { schema: this.#place.schema, name: this.#place.table };
    await source.query(createSql(this.#place, this.#shape));
    for (let rows = 0; rows < 4; rows++) await this.step();
    for (const node of this.#nodes)
      await track({ sourceUrl, storeUrl, node, table, exclude: [], baseline: true, retention: null }).catch(
        (error: Error) => this.said.push(`-- track: ${error.message}`),
      );
  }

  async end(): Promise<void> {
    const { source, sourceUrl, storeUrl } = this.#databases;
    const table = { schema: this.#place.schema, name: this.#place.table };
    for (const node of this.#nodes) {
      const { rows } = await this.#databases.store.query<{ status: string }>(
        `SELECT status FROM pgtimewarp.tracked_relations WHERE node_id = $1 AND schema_name = $2`,
        [node, table.schema],
      );
      if (rows[0]?.status !== 'active') this.unmended++;
      await untrack({ sourceUrl, storeUrl, node, table, purge: true }).catch(() => {});
    }
    await source.query(`DROP SCHEMA IF EXISTS ${this.#place.schema} CASCADE`);
  }

  async step(): Promise<void> {
    const { source } = this.#databases;
    const sql = await nextStep(source, this.#place, this.#outOf);
    for (const statement of sql.split('; ')) {
      try {
        await source.query(statement);
        this.said.push(`${statement};`);
      } catch (error) {
        this.said.push(`-- ${statement}; ${(error as Error).message}`);
      }
    }
    await source.query('ROLLBACK');
    await source.query('RESET ALL');
  }

  /** After a run of the node that ended so. */
  async compare(node: string, outcome: string): Promise<void> {
    this.said.push(`-- poll ${node.endsWith('wal2json') ? 'wal2json' : 'pgoutput'}: ${outcome}`);
    if (outcome === 'done') await this.#compare(node);
    else this.wrong.push(`a run of ${node} ended as: ${outcome}`);
  }

  async #compare(node: string): Promise<void> {
    const live = await this.#liveRows();
    const { rows: answers } = await this.#databases.store.query<{
      pk: string;
      status: string;
      row: string | null;
      incomplete: string[] | null;
    }>(
      `SELECT k.pk, a.status, (a.answer -> 'row')::text AS row,
              CASE WHEN json_typeof(a.answer -> 'incomplete') = 'array' THEN ARRAY(SELECT json_array_elements_text(a.answer -> 'incomplete')) END AS incomplete
         FROM pgtimewarp.tracked_relations AS r
        CROSS JOIN LATERAL (
              SELECT unnest($3::text[]) AS pk UNION SELECT c.pk FROM pgtimewarp.row_changes AS c WHERE c.relation_id = r.relation_id) AS k
        CROSS JOIN LATERAL pgtimewarp.asof_answer($1::text, $2::text, $4::text, (k.pk::jsonb) -> 0, NULL, NULL, NULL) AS a
        WHERE r.node_id = $1::text AND r.schema_name = $2::text AND r.table_name = $4::text AND r.status <> 'untracked' AND r.status <> 'starting'`,
      [node, this.#place.schema, [...(live?.keys() ?? [])], this.#place.table],
    );
    for (const { pk, status, row, incomplete } of answers) {
      if (status === 'unknown') {
        this.unknown++;
        continue;
      }
      this.compared++;
      const now = live?.get(pk) ?? null;
      const what =
        live === null && status === 'found'
          ? 'found, and the table is gone'
          : differs(status, row, incomplete, now);
      if (what !== null)
        this.wrong.push(`${node.endsWith('wal2json') ? 'wal2json' : 'pgoutput'} ${pk}: ${what}`);
    }
  }

  /** As a baseline would read them; null where the table is not there, or not to be read. */
  async #liveRows(): Promise<Map<string, string> | null> {
    const { source } = this.#databases;
    const name = { schema: this.#place.schema, name: this.#place.table };
    const [facts = null] = await readTableFacts(source, [name]);
    if (
      facts === null ||
      facts.key.length === 0 ||
      (whyNotTrackable(facts, name) !== null && facts.key.length === 0)
    )
      return null;
    const { rows } = await readBaselineChunk(source, {
      facts,
      keyColumns: facts.key.map((column) => column.name),
      excludedColumns: [],
      types: await readTypeCatalog(source),
      cursor: null,
      limit: 1000,
    });
    return new Map(rows.map((each) => [each.key, each.rowData]));
  }
}

/** How a known answer is wrong; null when it is right. A column that was dropped may still be in the row. */
function differs(
  status: string,
  row: string | null,
  incomplete: readonly string[] | null,
  live: string | null,
): string | null {
  if (status === 'absent') return live === null ? null : 'absent, and it is there';
  if (live === null) return 'found, and it is not there';
  const stored = jsonMembers(row!, 0).members;
  for (const [name, value] of jsonMembers(live, 0).members) {
    if (incomplete?.includes(name) === true || stored.get(name) === value) continue;
    if (!stored.has(name) && (value === 'null' || [...stored.values()].includes(value))) continue; // added, or renamed
    return `${name} is ${stored.get(name)?.slice(0, 40)} instead of ${value.slice(0, 40)}`;
  }
  return null;
}
