/**
 * The ways to ask: command line, HTTP, SQL on the source. Each returns the JSON text of the answer, without its wrapping. A
 * failure is `{"error":CODE,"message":…}`.
 */
import { expect } from 'vitest';
import { sqlState } from '../../core/pg/database-error.ts';
import { formatTableName, quoteTable } from '../../core/pg/identifiers.ts';
import type { DiffChange } from '../../core/query/diff.ts';
import { instantParameters, parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { fromQueryError } from '../../core/query/query-error.ts';
import { jsonMembers } from '../../core/types/json-text.ts';
import { diffPageText } from '../../documents/diff.ts';
import { formatTableSegment } from '../../documents/table-segment.ts';
import { runCli } from '../support/run-cli.ts';
import type { SqlSource } from '../support/sql-source.ts';
import type { TrackedNode } from '../support/tracked-node.ts';
import type { Question } from './questions.ts';

/** A question with its node and the text of its instants. */
export interface Asked {
  readonly question: Question;
  readonly node: string;
  readonly at?: string;
  readonly from?: string;
  readonly to?: string;
}

export type Asker = (asked: Asked) => Promise<string>;

const OUTCOMES: Readonly<Record<string, { readonly exitCode: number; readonly status: readonly number[] }>> =
  {
    found: { exitCode: 0, status: [200] },
    absent: { exitCode: 3, status: [404] },
    unknown: { exitCode: 4, status: [409, 410] },
    changes: { exitCode: 0, status: [200] },
    error: { exitCode: 2, status: [400, 404] },
  };

function outcomeOf(answer: string): (typeof OUTCOMES)[string] {
  const { members } = jsonMembers(answer, 0);
  if (members.has('error')) return OUTCOMES.error!;
  return members.has('changes') ? OUTCOMES.changes! : OUTCOMES[JSON.parse(members.get('status')!) as string]!;
}

function instantsOf({ at, from, to }: Asked): Record<string, string> {
  return Object.fromEntries(
    Object.entries({ at, from, to }).filter(([, value]) => value !== undefined),
  ) as Record<string, string>;
}

const failure = (code: string, message: string): string => JSON.stringify({ error: code, message });
const objectText = (members: ReadonlyMap<string, string>): string =>
  `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;

/** Asks `pgtimewarp asof|diff` in its own process. */
export function byCommandLine(env: Readonly<Record<string, string>>): Asker {
  return async (asked) => {
    const { question, node } = asked;
    const flags = Object.entries(instantsOf(asked)).flatMap(([name, value]) => [`--${name}`, value]);
    const args = [question.kind, formatTableName(question.table), `--pk=${question.pk}`, ...flags, '--json'];
    const { code, stdout, stderr } = await runCli(args, { env: { ...env, PGTIMEWARP_NODE: node } });
    const { error } = JSON.parse(stdout) as { error?: { code: string; message: string } };
    if (error === undefined) expect(stderr).toBe('');
    const answer = error === undefined ? stdout.trim() : failure(error.code, error.message);
    expect(code, stdout).toBe(outcomeOf(answer).exitCode);
    return answer;
  };
}

/** Asks the HTTP API at `url`. */
export function byHttp(url: string): Asker {
  return async (asked) => {
    const { question, node } = asked;
    const table = encodeURIComponent(formatTableSegment(question.table));
    const query = new URLSearchParams({ pk: question.pk, ...instantsOf(asked) });
    const response = await fetch(`${url}/v1/nodes/${node}/tables/${table}/${question.kind}?${query}`);
    const answer = withoutProblem(await response.text(), response.ok);
    expect(outcomeOf(answer).status, answer).toContain(response.status);
    return answer;
  };
}

/** A problem document has two members of its own before those of the answer, or it is an error. */
function withoutProblem(text: string, ok: boolean): string {
  if (ok) return text;
  const { members } = jsonMembers(text, 0);
  const type = JSON.parse(members.get('type')!) as string;
  const code = /^urn:pgtimewarp:error:(.*)$/.exec(type)?.[1];
  if (code !== undefined) return failure(code, JSON.parse(members.get('detail')!) as string);
  for (const name of ['type', 'title']) expect(members.delete(name), text).toBe(true);
  return objectText(members);
}

/** Members of an answer that SQL functions cannot return. */
export function unsaidInSql({ question, at }: Asked): readonly string[] {
  if (question.kind === 'diff') return ['from', 'to'];
  return at?.includes('/')
    ? [
        'status',
        'reason',
        'schema',
        'table',
        'pk',
        'op',
        'incomplete',
        'context',
        'valid_from',
        'valid_to',
        'as_of',
        'final',
      ]
    : [];
}

const LACKS = /,"incomplete":\[([^\]]*)\]/g;

/** SQL reports the incomplete columns of all changes together. */
export function lackingInOne(text: string, { question }: Asked): string {
  if (question.kind !== 'diff') return text;
  const names = [...text.matchAll(LACKS)].flatMap(([, list]) => JSON.parse(`[${list}]`) as string[]);
  return names.length === 0
    ? text
    : lackingTogether(text.replace(LACKS, ''), [...new Set(names)].sort().join(', '));
}

function lackingTogether(page: string, names: string): string {
  return page.replace(/}$/, `,"lacking":${JSON.stringify(names)}}`);
}

/** Asks the functions on the source. `sql` is the session; the asker also collects its warnings. */
export function bySql({ source, node: defaultNode }: TrackedNode, sql: SqlSource): Asker {
  const one = async (text: string, values: unknown[]): Promise<string | null> => {
    const { rows } = await source.query<{ value: string | null }>(`SELECT ${text}::text AS value`, values);
    return rows[0]!.value;
  };
  const rowAndAnswer = async (asked: Asked, subject: unknown[]): Promise<string> => {
    const { at } = asked;
    if (at?.includes('/')) {
      const row = await one('pgtimewarp_asof_lsn_pk($1::text::regclass, $2, $4, $3)', [...subject, at]);
      return `{"row":${row}}`;
    }
    const values = [...subject, at ?? 'infinity'];
    const answer = (await one('pgtimewarp_asof_answer_pk($1::text::regclass, $2, $4, $3)', values))!;
    await expectRowOf(answer, () => one('pgtimewarp_asof_pk($1::text::regclass, $2, $4, $3)', values));
    return at === undefined ? answer : asRequested(answer, at);
  };
  const changes = async (asked: Asked, subject: unknown[]): Promise<string> => {
    const { rows } = await source.query<DiffChange & { rowText: string | null }>(
      `SELECT d.op, d.valid_from_lsn AS lsn, to_char(d.valid_from_ts, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts, d.xid,
              d.row_data::text AS "rowText", d.changed::text AS "changedText", d.context::text AS "contextText"
         FROM pgtimewarp_diff_pk($1::text::regclass, $2, $4, $5, $3) d`,
      [...subject, asked.from ?? null, asked.to ?? null],
    );
    const warnings = sql.warnings();
    const unknown = warnings.flatMap(({ code, message }) => {
      const hole = /^changes between (.*) and (.*) may be missing: (.*)$/.exec(message);
      if (code !== '01T03' || hole === null) return [];
      return [
        {
          from: hole[1] === 'the beginning' ? null : hole[1],
          to: hole[2] === 'now' ? null : hole[2],
          reason: hole[3],
        },
      ];
    });
    const final = !warnings.some(({ code }) => code === '01T01');
    const frame = { from: null, to: null, horizon: null, nextCursor: null, final };
    const page = diffPageText({ changes: rows, unknownText: JSON.stringify(unknown), ...frame });
    const lacking = warnings.find(({ code }) => code === '01T02');
    return lacking === undefined ? page : lackingTogether(page, /left out: (.*)$/.exec(lacking.message)![1]!);
  };
  return async (asked) => {
    const { question, node } = asked;
    const subject = [
      quoteTable(question.table),
      keyFromText(question.pk),
      node === defaultNode ? null : node,
    ];
    try {
      return await (question.kind === 'diff' ? changes : rowAndAnswer)(asked, subject);
    } catch (error) {
      if (sqlState(error) === undefined) throw error; // the answer is not the expected one
      const { code, message } = fromQueryError(error);
      return failure(code, message);
    } finally {
      sql.warnings();
    }
  };
}

/** What `pgtimewarp_asof_pk` must return for an answer: its row, NULL if the row was absent, an SQLSTATE if it is unknown. */
const SQLSTATES: Readonly<Record<string, string>> = {
  before_tracking: 'TW010',
  baseline_pending: 'TW011',
  in_gap: 'TW012',
  expired: 'TW013',
  erased: 'TW014',
};

async function expectRowOf(answer: string, ask: () => Promise<string | null>): Promise<void> {
  const { members } = jsonMembers(answer, 0);
  const row = members.get('row')!;
  const [status, reason] = ['status', 'reason'].map((name) => JSON.parse(members.get(name)!) as string);
  if (status === 'unknown') await expect(ask()).rejects.toMatchObject({ code: SQLSTATES[reason!] });
  else expect(await ask()).toBe(row === 'null' ? null : row);
}

/** SQL gets a value of type timestamptz and reports how it understood it. */
function asRequested(answer: string, at: string): string {
  const [understood] = instantParameters(parseInstant(at));
  const parts = answer.split(`"as_of":{"requested":${JSON.stringify(understood)}`);
  expect(parts, answer).toHaveLength(2);
  return parts.join(`"as_of":{"requested":${JSON.stringify(at)}`);
}

/** Leaves out what differs between two questions (the horizon, and the instant of "now"), and `unsaid`. */
export function normalise(text: string, { question }: Asked, unsaid: readonly string[] = []): string {
  const { members } = jsonMembers(text, 0);
  const moving = [
    'horizon',
    ...(question.at === undefined ? ['as_of'] : []),
    ...(question.to === undefined ? ['to'] : []),
  ];
  for (const name of [...moving, ...unsaid]) members.delete(name);
  const unknown = members.get('unknown'); // contains no value of a row: only its white space differs
  if (unknown !== undefined) members.set('unknown', JSON.stringify(JSON.parse(unknown)));
  return objectText(members);
}
