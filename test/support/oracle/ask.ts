/** Questions of the oracle asked as clients ask: by the function of the engine, and a few by the command line. */
import { quoteTable } from '../../../core/pg/identifiers.ts';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { jsonMembers } from '../../../core/types/json-text.ts';
import { runCli } from '../run-cli.ts';
import type { TestDatabases } from '../test-databases.ts';
import { keyOf, type Question } from './compare.ts';
import type { OracleTable } from './oracle-table.ts';

/** Each of these is a process. */
const BY_COMMAND = 3;

/** Throws at the first answer that is another one. */
export async function askLikeClients(
  databases: TestDatabases,
  node: string,
  tables: readonly OracleTable[],
  questions: readonly Question[],
): Promise<void> {
  for (const question of questions) {
    const { table, pk } = keyOf(tables, question.id);
    const { answerText } = await asOf(databases.store, {
      node,
      table,
      pk: keyFromText(pk),
      at: parseInstant(instantOf(question)),
    });
    compare(answerText, question, `${node}: ${question.id}`);
  }
  const every = Math.ceil(questions.length / BY_COMMAND);
  for (const question of questions.filter((_, index) => index % every === 0)) {
    const { table, pk } = keyOf(tables, question.id);
    const { stdout, stderr } = await runCli(
      ['asof', quoteTable(table), '--pk', pk, '--at', instantOf(question), '--node', node, '--json'],
      { env: databases.env },
    );
    compare(stdout, question, `${node}: ${question.id} by the command line (${stderr})`);
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
