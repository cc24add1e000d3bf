/**
 * A random life of one deployment, determined by its seed. Requests come as CloudFormation sends them (a failed Create is
 * deleted, a failed Update is rolled back, a cancelled request is followed by the next), twice, at once or long after.
 * Environments are killed or have little time, transactions are open and runs are under way. Whenever a request has succeeded
 * and no other is at work, source and store must have what it declared.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { poll } from '../../core/poll.ts';
import { type OutOf, pickFrom, randomOf } from './hunt/random.ts';
import {
  ARNS,
  type DeployedNode,
  deploymentEvent,
  type LambdaDatabases,
  secretArn,
} from './lambda-databases.ts';
import type { LambdaEnvironment } from './run-lambda.ts';

export const HUNTED_TABLES = `
  CREATE TABLE orders (id int PRIMARY KEY, s text); INSERT INTO orders VALUES (1, 'a');
  CREATE TABLE items (id int PRIMARY KEY, s text); INSERT INTO items VALUES (1, 'b');
  CREATE TABLE "Odd One" (id int PRIMARY KEY, s text);
  CREATE TABLE nokey (a int)`;

const SPELLINGS = [
  ['orders', 'public.orders', 'ORDERS', '"orders"'],
  ['items', 'public.items'],
  ['"Odd One"', 'public."Odd One"'],
];
/** Table names that make a request fail. Such a request must leave nothing. */
const MISTAKES = ['nothing_there', 'nokey', 'public.orders.x', 'a b'];
const DEAD = secretArn('dead');
const STEPS = 5;

interface Table {
  readonly [setting: string]: unknown;
  readonly name: string;
  readonly exclude: readonly string[];
  readonly retention: string | null;
  readonly baseline: boolean;
  /** The nodes of a hunt have the same tables. */
  readonly shared: true;
}
type Node = Omit<DeployedNode, 'tables'> & { readonly slotName: null; readonly tables: readonly Table[] };
type State = readonly Node[];
type Kind = 'Create' | 'Update' | 'Delete';
type Request = ReturnType<typeof deploymentEvent> & { readonly RequestId: string };
type Answer = Readonly<Record<'RequestId' | 'Status' | 'Reason' | 'PhysicalResourceId', string>>;

export interface DeploymentGround {
  readonly databases: LambdaDatabases;
  readonly start: () => Promise<LambdaEnvironment>;
  readonly hasWal2json: boolean;
}

export class DeploymentHunt {
  readonly seed: number;
  readonly said: string[] = [];
  readonly wrong: string[] = [];
  readonly #ground: DeploymentGround;
  readonly #outOf: OutOf;
  readonly #beganMs = performance.now();
  readonly #names: readonly string[];
  readonly #plugins: readonly string[];
  readonly #idle: LambdaEnvironment[] = [];
  /** Answered requests, which are delivered again later. */
  readonly #past: Request[] = [];
  #deployed: State | null = null;
  #physicalId = '';

  constructor(ground: DeploymentGround, seed: number) {
    this.#ground = ground;
    this.seed = seed;
    this.#outOf = randomOf(seed);
    this.#names = ['a', 'b'].map((name) => `${ground.databases.node}_${seed}${name}`);
    const plugins = ground.hasWal2json ? ['pgoutput', 'wal2json'] : ['pgoutput'];
    this.#plugins = this.#names.map(() => pickFrom(this.#outOf, plugins));
    ground.databases.aws.secrets.set(DEAD, JSON.stringify({ url: 'postgres://nobody@127.0.0.1:1/nothing' }));
  }

  async run(): Promise<void> {
    try {
      for (let step = 0; step < STEPS; step++) await this.#step();
      if (this.#deployed !== null) await this.#delete();
    } finally {
      await this.#endIdle();
    }
  }

  async #endIdle(): Promise<void> {
    for (const each of this.#idle.splice(0)) await each[Symbol.asyncDispose]();
  }

  /** CloudFormation sends one request after the other, so their order is known. */
  async #hasArrived(requestId: string): Promise<void> {
    const { store } = this.#ground.databases;
    for (let look = 0; look < 100; look++) {
      const { rowCount } = await store
        .query('SELECT FROM pgtimewarp.deployment_requests WHERE request_id = $1', [requestId])
        .catch(() => ({ rowCount: 0 }));
      if (rowCount === 1) return;
      await sleep(50);
    }
  }

  async #step(): Promise<void> {
    const busy = this.#outOf(3) === 0 ? this.#runMeanwhile() : Promise.resolve();
    if (this.#deployed === null) await this.#create();
    else if (this.#outOf(4) === 0) await this.#delete();
    else await this.#update();
    await busy;
    if (this.#past.length > 0 && this.#outOf(3) === 0) await this.#deliverAgain();
  }

  async #create(): Promise<void> {
    const { state, isWrong } = this.#nextState(null);
    const hindered = this.#hinder();
    const request = this.#request('Create', state, state, '');
    const outcome = await this.#send(request, { ...hindered, overtake: () => this.#remove(state, CFN_ID) });
    if (outcome === 'overtaken') return;
    if (outcome?.Status === 'SUCCESS') {
      this.#deployed = state;
      this.#physicalId = outcome.PhysicalResourceId;
      if (isWrong) this.#say('WRONG', `a Create with a mistake succeeded`);
      return await this.#compare('Create');
    }
    if (!isWrong && !hindered.isHindered) this.#say('WRONG', `Create failed: ${outcome?.Reason}`);
    await this.#remove(state, outcome?.PhysicalResourceId ?? CFN_ID);
  }

  async #update(): Promise<void> {
    const before = this.#deployed!;
    const { state, isWrong } = this.#nextState(before);
    const hindered = this.#hinder();
    const request = this.#request('Update', state, before, this.#physicalId);
    const outcome = await this.#send(request, { ...hindered, overtake: () => this.#rollBack(state, before) });
    if (outcome === 'overtaken') return;
    if (outcome?.Status === 'SUCCESS') {
      this.#deployed = state;
      if (isWrong) this.#say('WRONG', `an Update with a mistake succeeded`);
      return await this.#compare('Update');
    }
    if (!isWrong && !hindered.isHindered) this.#say('WRONG', `Update failed: ${outcome?.Reason}`);
    await this.#rollBack(state, before);
  }

  async #delete(): Promise<void> {
    await this.#remove(this.#deployed!, this.#physicalId);
  }

  /** Repeats the request until it succeeds, as an operator would. */
  async #rollBack(failed: State, before: State): Promise<void> {
    await this.#insist(() => this.#request('Update', before, failed, this.#physicalId));
    await this.#compare('rollback');
  }

  async #remove(state: State, physicalId: string): Promise<void> {
    await this.#insist(() => this.#request('Delete', state, state, physicalId));
    this.#deployed = null;
    await this.#compare('Delete');
  }

  async #insist(request: () => Request): Promise<void> {
    for (let attempt = 1; attempt <= 4; attempt++) {
      const hindered = attempt < 3 && this.#outOf(3) === 0 ? this.#hinder() : NOT_HINDERED;
      const outcome = await this.#send(request(), { ...hindered, overtake: null });
      if (outcome !== 'overtaken' && outcome?.Status === 'SUCCESS') return;
      if (!hindered.isHindered)
        this.#say('WRONG', `what has to succeed did not: ${outcome && (outcome as Answer).Reason}`);
    }
  }

  #request(type: Kind, wanted: State, before: State, physicalId: string): Request {
    const event = deploymentEvent(this.#ground.databases.aws, type, { nodes: wanted }, { nodes: before });
    const stack = `arn:aws:cloudformation:eu-central-1:123456789012:stack/hunted/${this.#names[0]}`;
    return {
      ...event,
      StackId: stack,
      ...(type === 'Create' ? {} : { PhysicalResourceId: physicalId }),
    } as unknown as Request;
  }

  /** @returns its answer; null if it was killed before it answered */
  async #send(
    request: Request,
    {
      killAfterMs,
      remainingMs,
      openForMs,
      deadSource,
      overtake,
    }: Hindrance & { overtake: (() => Promise<void>) | null },
  ): Promise<Answer | null | 'overtaken'> {
    const { aws } = this.#ground.databases;
    const { RequestType, RequestId } = request as unknown as Record<string, string>;
    const doubled = this.#outOf(4) === 0;
    const overtaken = overtake !== null && this.#outOf(5) === 0;
    this.#say(
      '',
      `${RequestType} ${RequestId}${doubled ? ' twice' : ''} ${JSON.stringify({ killAfterMs, remainingMs, openForMs, deadSource, overtaken })}`,
    );
    const secret = aws.secrets.get(ARNS.source)!;
    if (deadSource) await this.#endIdle(); // they know where it is
    if (deadSource) aws.secrets.set(ARNS.source, aws.secrets.get(DEAD)!);
    const writer = openForMs === null ? null : await this.#openTransaction(openForMs);
    const first = this.#invoke(request, remainingMs, killAfterMs);
    const second = doubled
      ? sleep(this.#outOf(400)).then(() => this.#invoke(request, remainingMs, null))
      : null;
    let ran: Promise<void> | null = null;
    if (overtaken) {
      await Promise.race([first, this.#hasArrived(RequestId!)]);
      await sleep(this.#outOf(1_500));
      aws.secrets.set(ARNS.source, secret);
      ran = overtake();
    }
    await Promise.all([first, second, ran]);
    await writer?.over;
    if (deadSource) await this.#endIdle();
    aws.secrets.set(ARNS.source, secret);
    const answers = (aws.cloudFormation as unknown as Answer[]).filter(
      (each) => each.RequestId === RequestId,
    );
    const expected = (killAfterMs === null ? 1 : 0) + (doubled ? 1 : 0);
    if (answers.length < expected)
      this.#say('WRONG', `${RequestId} got ${answers.length} answers, not ${expected}`);
    const [answer = null] = answers;
    const [given, ...others] = new Set(answers.map(wordsOf));
    if (others.length > 0)
      this.#say('WRONG', `${RequestId} got answers that differ: ${given} and ${others.join(' and ')}`);
    if (answer !== null) this.#past.push(request);
    this.#say(
      '',
      `  ${answer === null ? 'no answer' : `${answer.Status} ${answer.PhysicalResourceId} ${answer.Status === 'FAILED' ? answer.Reason : ''}`}`,
    );
    if (/INTERNAL|Stopped by a signal/.test(answer?.Reason ?? ''))
      this.#say('WRONG', `an answer without use: ${answer!.Reason}`);
    return overtaken ? 'overtaken' : answer;
  }

  async #invoke(request: Request, remainingMs: number, killAfterMs: number | null): Promise<void> {
    const lambda = this.#idle.pop() ?? (await this.#ground.start());
    const ended = lambda.invoke(request, remainingMs).then(
      () => void this.#idle.push(lambda),
      (error: Error) => {
        if (killAfterMs === null) this.#say('WRONG', `the function threw: ${error.message.slice(0, 300)}`);
      },
    );
    if (killAfterMs !== null && (await Promise.race([ended, sleep(killAfterMs, 'late')])) === 'late') {
      if (this.#idle.includes(lambda)) return;
      await lambda[Symbol.asyncDispose]();
    }
    await ended;
  }

  /** Delivers an old request again: it must get its old answer, and nothing may change. */
  async #deliverAgain(): Promise<void> {
    const request = pickFrom(this.#outOf, this.#past);
    const answers = this.#ground.databases.aws.cloudFormation as unknown as Answer[];
    const first = wordsOf(answers.find((each) => each.RequestId === request.RequestId)!);
    this.#say('', `once more ${request.RequestId}`);
    await this.#invoke(request, 60_000, null);
    const last = answers.at(-1);
    if (last?.RequestId !== request.RequestId || wordsOf(last) !== first)
      this.#say('WRONG', `delivered again, ${request.RequestId} got ${JSON.stringify(last)}, not ${first}`);
    await this.#compare('delivery of an old request');
  }

  #hinder(): Hindrance {
    const none = { ...NOT_HINDERED };
    switch (this.#outOf(10)) {
      case 0:
        return { ...none, isHindered: true, killAfterMs: this.#outOf(1_500) };
      case 1:
        return { ...none, isHindered: true, remainingMs: 20_010 + this.#outOf(1_500) };
      case 2:
        return { ...none, isHindered: true, remainingMs: 21_000, openForMs: 1_000 + this.#outOf(1_500) };
      case 3:
        return { ...none, openForMs: 300 + this.#outOf(1_000) };
      case 4:
        return { ...none, isHindered: true, deadSource: true };
      default:
        return none;
    }
  }

  async #openTransaction(ms: number): Promise<{ readonly over: Promise<void> }> {
    const writer = await this.#ground.databases.connect('source');
    await writer.query(
      `BEGIN; UPDATE orders SET s = 'open' WHERE id = 1; UPDATE items SET s = 'open' WHERE id = 1`,
    );
    const over = sleep(ms).then(async () => {
      await writer.query('COMMIT');
      await writer.end();
    });
    return { over };
  }

  /** Scheduled runs continue during a deployment. */
  async #runMeanwhile(): Promise<void> {
    const { sourceUrl, storeUrl } = this.#ground.databases;
    for (const node of this.#names) {
      await sleep(this.#outOf(500));
      await poll({ sourceUrl, storeUrl, node }).catch(() => {});
    }
  }

  #nextState(before: State | null): { readonly state: State; readonly isWrong: boolean } {
    const nodes = this.#names.flatMap((node, index) => {
      const known = before?.find((each) => each.node === node);
      if (this.#outOf(3) === 0) return [];
      const plugin = this.#plugins[index]!;
      const tables = SPELLINGS.flatMap((spellings): Table[] => {
        if (this.#outOf(2) === 0) return [];
        const name = pickFrom(this.#outOf, spellings);
        const tracked = known?.tables.find((each) => nameOf(each) === nameOf({ name }));
        const retention = pickFrom(this.#outOf, [null, null, '30d', '90d']);
        if (tracked !== undefined && this.#outOf(8) > 0)
          return [{ name, retention, exclude: tracked.exclude, baseline: tracked.baseline, shared: true }];
        // rows that were read stay: for a table tracked with them, `baseline: false` changes nothing
        const baseline = this.#outOf(4) > 0 || tracked?.baseline === true;
        return [{ name, retention, baseline, exclude: this.#outOf(3) === 0 ? ['s'] : [], shared: true }];
      });
      return [{ node, plugin, slotName: null, sourceSecretArn: ARNS.source, tables }];
    });
    let isWrong = nodes.some(({ node, tables }) =>
      tables.some((table) => isRefused(before?.find((each) => each.node === node)?.tables ?? [], table)),
    );
    const [first] = nodes;
    if (first !== undefined && this.#outOf(6) === 0) {
      isWrong = true;
      const wrong: Table = {
        name: pickFrom(this.#outOf, MISTAKES),
        exclude: [],
        retention: null,
        baseline: true,
        shared: true,
      };
      first.tables.splice(this.#outOf(first.tables.length + 1), 0, wrong);
    }
    return { state: nodes, isWrong };
  }

  async #compare(after: string): Promise<void> {
    const [want, have] = [
      JSON.stringify(expected(this.#deployed ?? []), null, 1),
      JSON.stringify(await this.#found(), null, 1),
    ];
    if (want !== have) this.#say('WRONG', `after ${after}: declared ${want}\nthere is ${have}`);
  }

  async #found(): Promise<unknown> {
    const { source, store } = this.#ground.databases;
    const { rows: slots } = await source.query<{ name: string; plugin: string }>(
      `SELECT slot_name AS name, plugin FROM pg_replication_slots WHERE slot_name = ANY ($1::text[]) ORDER BY 1`,
      [this.#names.map((name) => `pgtimewarp_${name}`)],
    );
    const { rows: publications } = await source.query<{ name: string; tables: string[] }>(
      `SELECT p.pubname AS name, array(SELECT t.tablename::text FROM pg_publication_tables AS t WHERE t.pubname = p.pubname ORDER BY 1) AS tables
         FROM pg_publication AS p WHERE p.pubname = ANY ($1::text[]) ORDER BY 1`,
      [this.#names.map((name) => `pgtimewarp_${name}`)],
    );
    const { rows: schema } = await store.query(`SELECT FROM pg_namespace WHERE nspname = 'pgtimewarp'`);
    if (schema.length === 0) return { slots, publications, nodes: [], tables: [] };
    const { rows: nodes } = await store.query<{ node: string }>(
      `SELECT node_id AS node FROM pgtimewarp.nodes WHERE node_id = ANY ($1::text[]) AND status <> 'removed' ORDER BY 1`,
      [this.#names],
    );
    const { rows: tables } = await store.query(
      `SELECT node_id AS node, table_name AS name, excluded_columns AS exclude, extract(day FROM retention)::int AS days,
              baseline_state <> 'none' AS baseline
         FROM pgtimewarp.tracked_relations WHERE node_id = ANY ($1::text[]) AND status <> 'untracked' ORDER BY 1, 2`,
      [this.#names],
    );
    return { slots, publications, nodes: nodes.map(({ node }) => node), tables };
  }

  #say(kind: '' | 'WRONG', line: string): void {
    const at = `${Math.round(performance.now() - this.#beganMs)} ms `;
    this.said.push(at + (kind === '' ? line : `${kind}: ${line}`));
    if (kind === 'WRONG') this.wrong.push(line);
  }
}

/** The physical id that CloudFormation makes up for a creation that has not answered. */
const CFN_ID = 'hunted-Databases-1A2B3C4D5E6F7';

interface Hindrance {
  readonly isHindered: boolean;
  readonly killAfterMs: number | null;
  readonly remainingMs: number;
  readonly openForMs: number | null;
  readonly deadSource: boolean;
}

const NOT_HINDERED: Hindrance = {
  isHindered: false,
  killAfterMs: null,
  remainingMs: 60_000,
  openForMs: null,
  deadSource: false,
};

const nameOf = ({ name }: { readonly name: string }): string => parseTableName(name).name;

/** The content of an answer, which must be the same for copies of a request. */
const wordsOf = ({ Status, Reason, PhysicalResourceId }: Answer): string =>
  `${Status} ${PhysicalResourceId} ${Reason}`;

/** Whether the table is tracked with settings that cannot be changed to these. */
function isRefused(tracked: readonly Table[], { name, exclude, baseline }: Table): boolean {
  const known = tracked.find((each) => nameOf(each) === nameOf({ name }));
  if (known === undefined) return false;
  return known.exclude.join() !== exclude.join() || (baseline && !known.baseline);
}

function expected(state: State): unknown {
  const byName = <T>(rows: readonly T[], of: (row: T) => string): T[] =>
    [...rows].sort((a, b) => (of(a) < of(b) ? -1 : 1));
  const nodes = byName(state, ({ node }) => node);
  return {
    slots: nodes.map(({ node, plugin }) => ({ name: `pgtimewarp_${node}`, plugin })),
    publications: nodes
      .filter(({ plugin }) => plugin === 'pgoutput')
      .map(({ node, tables }) => ({ name: `pgtimewarp_${node}`, tables: tables.map(nameOf).sort() })),
    nodes: nodes.map(({ node }) => node),
    tables: nodes.flatMap(({ node, tables }) =>
      byName(tables, nameOf).map(({ name, exclude, retention, baseline }) => ({
        node,
        name: nameOf({ name }),
        exclude,
        days: retention === null ? null : Number.parseInt(retention, 10),
        baseline,
      })),
    ),
  };
}
