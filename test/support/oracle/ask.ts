/** Asks the questions of the oracle as clients do: by the function of the engine, in SQL, and a few by the command line. */
import type pg from 'pg';
import { quoteTable } from '../../../core/pg/identifiers.ts';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { jsonMembers } from '../../../core/types/json-text.ts';
import { runCli } from '../run-cli.ts';
import { keyOf, type Question } from './compare.ts';
import type { OracleTable } from './oracle-table.ts';

/** The number of questions by the command line, each of which starts a process. */
const BY_COMMAND = 3;

/** Asks by the engine's own function. Throws at the first different answer. */
export async function askEngine(
  store: pg.Client,
  node: string,
  tables: readonly OracleTable[],
  questions: readonly Question[],
): Promise<void> {
  for (const question of questions) {
    const { table, pk } = keyOf(tables, question.id);
    const request = { node, table, pk: keyFromText(pk), at: parseInstant(instantOf(question)) };
    const { answerText } = await asOf(store, request);
    compare(answerText, question, `${node}: ${question.id}`);
  }
}

/** Asks a few of them by the command line. Throws at the first different answer. */
export async function askByCommand(
  env: Readonly<Record<string, string>>,
  node: string,
  tables: readonly OracleTable[],
  questions: readonly Question[],
): Promise<void> {
  const every = Math.ceil(questions.length / BY_COMMAND);
  for (const question of questions.filter((_, index) => index % every === 0)) {
    const { table, pk } = keyOf(tables, question.id);
    const { stdout, stderr } = await runCli(
      ['asof', quoteTable(table), '--pk', pk, '--at', instantOf(question), '--node', node, '--json'],
      { env },
    );
    compare(stdout, question, `${node}: ${question.id} by the command line (${stderr})`);
  }
}

/** Asks by the functions on the source. Throws at the first different answer. */
export async function askInSql(
  source: pg.Client,
  node: string,
  tables: readonly OracleTable[],
  questions: readonly Question[],
): Promise<void> {
  for (const question of questions) {
    const { table, pk } = keyOf(tables, question.id);
    const byLsn = question.at.lsn !== null;
    const { rows } = await source.query<{ answer: string | null }>(
      `SELECT ${byLsn ? 'pgtimewarp_asof_lsn_pk' : 'pgtimewarp_asof_answer_pk'}($1::text::regclass, $2, $3, $4)::text AS answer`,
      [quoteTable(table), pk, instantOf(question), node],
    );
    const { answer } = rows[0]!;
    const where = `${node}: ${question.id} in SQL`;
    if (!byLsn) compare(answer!, question, where);
    else if (answer !== question.row) throw new Error(`${where} as of ${question.at.lsn} is ${answer}`);
  }
}

function compare(answer: string, { row, at }: Question, where: string): void {
  const { members } = jsonMembers(answer.trim(), 0);
  const found = [members.get('status'), members.get('row'), members.get('final')];
  const expected = row === null ? ['"absent"', 'null', 'true'] : ['"found"', row, 'true'];
  if (found.join('\0') !== expected.join('\0'))
    throw new Error(`${where} as of ${at.lsn ?? at.ts} is answered with ${answer}`);
}

/** The oracle writes times as PostgreSQL prints them in UTC. */
function instantOf({ at }: Question): string {
  return at.lsn ?? `${at.ts!.replace(' ', 'T')}Z`;
}
