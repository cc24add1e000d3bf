/** Command line and HTTP give the same answers, text for text (questions.ts). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatTableName } from '../../core/pg/identifiers.ts';
import { jsonMembers } from '../../core/types/json-text.ts';
import { formatTableSegment } from '../../lambda/api/table-segment.ts';
import { runCli } from '../support/run-cli.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';
import {
  type Asked,
  type Asker,
  type Moment,
  normalise,
  QUESTIONS,
  STEPS,
  TABLES,
  TRACKED,
} from './questions.ts';

describe('one scenario', () => {
  let node: TrackedNode;
  let server: ServeProcess;
  const moments = {} as Record<Moment, string>;

  beforeAll(async () => {
    node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: TRACKED });
    moments.start = await now();
    for (const [name, sql] of Object.entries(STEPS)) {
      await node.source.query('BEGIN');
      await node.source.query(sql);
      await node.source.query('COMMIT');
      moments[name as Moment] = await now();
    }
    await node.catchUp();
    server = await startServe(['--every', '1h'], node.env);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  async function now(): Promise<string> {
    const { rows } = await node.source.query<{ now: string }>(
      `SELECT to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`,
    );
    return rows[0]!.now;
  }

  const commandLine: Asker = async ({ question, ...instants }) => {
    const flags = Object.entries(instants).flatMap(([name, value]) => [`--${name}`, value as string]);
    const args = [question.kind, formatTableName(question.table), '--pk', question.pk, ...flags, '--json'];
    const { stdout, stderr } = await runCli(args, { env: node.env });
    expect(stderr).toBe('');
    return stdout;
  };

  const http: Asker = async ({ question, ...instants }) => {
    const table = encodeURIComponent(formatTableSegment(question.table));
    const query = new URLSearchParams({ pk: question.pk, ...instants });
    const response = await fetch(
      `${server.url}/v1/nodes/${node.node}/tables/${table}/${question.kind}?${query}`,
    );
    const text = await response.text();
    if (response.ok) return text;
    const { members } = jsonMembers(text, 0); // a problem document: the answer's members after its own two
    for (const name of ['type', 'title']) expect(members.delete(name), text).toBe(true);
    return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
  };

  describe('command line and HTTP', () => {
    test.each(QUESTIONS.map((question) => [question.name, question] as const))('%s', async (_, question) => {
      const instants = (['at', 'from', 'to'] as const).flatMap((name) => {
        const wanted = question[name];
        if (wanted === undefined) return [];
        return [[name, typeof wanted === 'string' ? moments[wanted] : wanted.time]];
      });
      const asked = { question, ...Object.fromEntries(instants) } as Asked;
      const answers = await Promise.all([commandLine(asked), http(asked)]);
      const [first, second] = answers.map((answer) => normalise(answer, asked));
      expect(first).toContain(question.says);
      expect(second).toBe(first);
    });
  });
});
