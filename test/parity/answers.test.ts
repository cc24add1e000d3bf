/** Command line, HTTP and SQL give the same answers, text for text, and the same errors (questions.ts). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type SqlSource, sqlSource } from '../support/sql-source.ts';
import { type Asked, byCommandLine, byHttp, bySql, lackingInOne, normalise, unsaidInSql } from './askers.ts';
import { QUESTIONS, type Question, type When } from './questions.ts';
import { makeScenario, type Scenario } from './scenario.ts';

let scenario: Scenario;
let server: ServeProcess;
let sql: SqlSource;

beforeAll(async () => {
  scenario = await makeScenario();
  server = await startServe(['--every', '1h'], scenario.node.env);
  sql = await sqlSource(scenario.node);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await scenario?.node[Symbol.asyncDispose]();
  await sql?.[Symbol.asyncDispose]();
});

function asWritten(question: Question): Asked {
  const { node, moments, written } = scenario;
  const text = (when: When): string => {
    if (typeof when === 'string') return moments[when];
    return 'time' in when ? when.time : when.lsn;
  };
  const instants = (['at', 'from', 'to'] as const).flatMap((name) => {
    const when = question[name];
    return when === undefined ? [] : [[name, text(when)]];
  });
  const own = question.node === undefined ? node.node : 'nobody';
  const name = question.node === undefined || question.node === 'nobody' ? own : written[question.node];
  return { question, node: name, ...Object.fromEntries(instants) } as Asked;
}

describe('command line, HTTP and SQL', () => {
  test.each(QUESTIONS.map((question) => [question.name, question] as const))('%s', async (_, question) => {
    const asked = asWritten(question);
    const { env } = scenario.node;
    const ways = [byCommandLine(env), byHttp(server.url), bySql(scenario.node, sql)];
    const [commandLine, http, inSql] = (await Promise.all(ways.map((ask) => ask(asked)))) as [
      string,
      string,
      string,
    ];
    expect(commandLine).toContain(question.says);
    if (question.fails !== undefined) expect(commandLine).toContain(`{"error":"${question.fails}"`);
    expect(normalise(http, asked)).toBe(normalise(commandLine, asked));
    const unsaid = unsaidInSql(asked);
    expect(normalise(inSql, asked, unsaid)).toBe(normalise(lackingInOne(commandLine, asked), asked, unsaid));
  });
});
