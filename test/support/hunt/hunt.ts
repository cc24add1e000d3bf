/** One sequence of steps on one table, determined by its seed. It records the steps and what went wrong. */
import { sqlState } from '../../../core/pg/database-error.ts';
import { readTableFacts } from '../../../core/source/catalog/table-facts.ts';
import { track, untrack } from '../../../core/track.ts';
import type { HuntGround } from './ground.ts';
import { createSql, PARTITIONED, type Place, readMoment, SHAPES } from './place.ts';
import { type OutOf, randomOf } from './random.ts';
import { nextStep } from './steps.ts';

export class Hunt {
  readonly seed: number;
  readonly place: Place;
  readonly exclude: readonly string[];
  /**
   * The number of the excluded column. If it gets another name, runs do not read it until somebody decides (doctor:
   * excluded_column).
   */
  excludedNumber: number | null = null;
  readonly wrong: string[] = [];
  readonly said: string[] = [];
  /** The forms of steps whose statements all succeeded. */
  readonly done = new Set<string>();
  /** The number of row changes that the server refused because of a change of key or publication by somebody. */
  refused = 0;
  compared = 0;
  unknown = 0;
  unmended = 0;
  readonly #ground: HuntGround;
  readonly #outOf: OutOf;
  readonly #shape: number;
  /** Somebody has restricted the rows or columns that the publication shows. */
  #isRestricted = false;
  /** `track` has warned about what the server refuses for a table with a column list. */
  #isTold = false;

  /** @param mayExclude a publication with a column list cannot contain schemas */
  constructor(ground: HuntGround, seed: number, mayExclude: boolean) {
    this.seed = seed;
    this.#ground = ground;
    this.#outOf = randomOf(seed);
    this.#shape = this.#outOf(SHAPES);
    this.exclude = mayExclude && this.#outOf(3) === 0 ? ['n'] : [];
    this.place = { ground, schema: `s${seed}`, table: 't', isPartitioned: this.#shape >= PARTITIONED };
  }

  get name(): { readonly schema: string; readonly name: string } {
    return { schema: this.place.schema, name: this.place.table };
  }

  async begin(): Promise<void> {
    const { databases, sourceUrl, storeUrl, nodes } = this.#ground;
    await databases.source.query(createSql(this.place, this.#shape));
    for (let rows = 0; rows < 4; rows++) await this.step();
    const [facts = null] = await readTableFacts(databases.source, [this.name]);
    const excluded = facts?.columns.find(({ name }) => this.exclude.includes(name));
    this.excludedNumber = excluded?.attnum ?? null;
    const retention = this.#outOf(5) === 0 ? '30d' : null;
    for (const { node } of nodes) {
      const ask = {
        sourceUrl,
        storeUrl,
        node,
        table: this.name,
        exclude: this.exclude,
        baseline: true,
        retention,
      };
      const said = await track(ask).then(
        ({ notes }) => notes,
        (error: Error) => [error.message],
      );
      this.said.push(...said.map((line) => `-- track: ${line}`));
      this.#isTold ||= said.some((line) => /lists the columns/.test(line));
    }
  }

  async end(): Promise<void> {
    const { databases, sourceUrl, storeUrl, nodes } = this.#ground;
    for (const { node } of nodes) {
      const { rows } = await databases.store.query<{ status: string }>(
        `SELECT status FROM pgtimewarp.tracked_relations WHERE node_id = $1 AND schema_name = $2`,
        [node, this.place.schema],
      );
      if (rows[0]?.status !== 'active') this.unmended++;
      await untrack({ sourceUrl, storeUrl, node, table: this.name, purge: true }).catch(() => {});
    }
    await databases.source.query(`DROP SCHEMA IF EXISTS ${this.place.schema} CASCADE`);
  }

  /** Records that somebody has restricted the publication: PostgreSQL documents what it refuses then. */
  restrict(): void {
    this.#isRestricted = true;
  }

  async step(): Promise<void> {
    const { source } = this.#ground.databases;
    const { form, sql } = nextStep(await readMoment(source, this.place, this.#outOf));
    if (form.startsWith('ALTER PUBLICATION')) this.#isRestricted = true;
    let failed = false;
    for (const statement of sql.split('; ')) {
      try {
        await source.query(statement);
        this.said.push(`${statement};`);
      } catch (error) {
        failed = true;
        const message = saidBy(error as Error & { detail?: string });
        this.said.push(`-- ${statement}; ${message}`);
        if (/publication|publishes|replica identity/i.test(message))
          await this.#judge(statement, message, sqlState(error));
      }
    }
    if (!failed) this.done.add(form);
    await source.query('ROLLBACK');
    await source.query('RESET ALL');
  }

  /**
   * The server refused a statement with a message about publications. If that is the documented effect of the user's step, it
   * is accepted. Otherwise a statement of the application fails because of us.
   */
  async #judge(statement: string, message: string, state: string | undefined): Promise<void> {
    if (/^ALTER PUBLICATION|REPLICA IDENTITY/.test(statement)) return; // the message is about the step itself
    if (/to unlogged because it is part of a publication/.test(message)) return; // PostgreSQL manual; docs/limits.md
    if (/SET EXPRESSION is not supported for virtual generated columns/.test(message)) return; // docs/limits.md
    if (/is in index used as replica identity/.test(message)) return; // an index that the step before chose; we never choose one
    const isRows = /^(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)/.test(statement);
    if (isRows && (await this.#isInState(message))) {
      this.refused++;
      return;
    }
    if (this.#isRestricted || this.#isTold) return;
    this.wrong.push(`refused because of us: ${statement}; ${state} ${message}`);
  }

  /** Whether the table got into the state of the message after it was published; docs/limits.md names both states. */
  async #isInState(words: string): Promise<boolean> {
    await this.#ground.databases.source.query('ROLLBACK');
    const [facts = null] = await readTableFacts(this.#ground.databases.source, [this.name]);
    if (facts === null) return /does not have a replica identity/.test(words);
    const identities = [facts, ...facts.leaves].map(({ identity }) => identity);
    if (/does not have a replica identity/.test(words)) return identities.includes('none');
    if (!/must not contain unpublished generated columns/.test(words)) return false;
    return identities.includes('full') && facts.columns.some(({ generated }) => generated === 'v');
  }
}

/** Often only the detail mentions publications. */
function saidBy({ message, detail }: Error & { detail?: string }): string {
  return detail === undefined ? message : `${message}: ${detail}`;
}
