/** Like use-oazapfts.ts, with the client that openapi-typescript-codegen generates. */
import {
  type AnswerProblem,
  ApiError,
  DefaultService,
  OpenAPI,
} from '../../test-output/clients/typescript-codegen/index.ts';

export async function ask(baseUrl: string, token: string, node: string): Promise<unknown> {
  OpenAPI.BASE = baseUrl;
  OpenAPI.TOKEN = token;
  const [table] = (await DefaultService.listTables(node)).tables;
  if (table === undefined) throw new Error('no table');
  const answer = await DefaultService.asOf(node, table.segment, '1', undefined, undefined, 0);
  const total: unknown = answer.row?.total;
  const reason = await DefaultService.asOf(node, table.segment, '2').catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
    return (error.body as AnswerProblem).reason;
  });
  const page = await DefaultService.diff(node, table.segment, '1', undefined, undefined, 1);
  const batch = await DefaultService.asOfBatch(node, table.segment, { keys: [1, { id: 2 }] });
  const { length: changes } = page.changes;
  // this generator writes members of an object as where[NAME], whatever the document says: nothing is asked with them
  const [transaction] = (await DefaultService.listTransactions(node)).transactions;
  if (transaction === undefined) throw new Error('no transaction');
  const touched = await DefaultService.getTransaction(node, transaction.lsn.replace('/', '-'));
  const was: unknown = touched.changes[0]?.before?.total;
  const counted = await DefaultService.getActivity(node, undefined, undefined, 1);
  const commits: number | undefined = counted.buckets[0]?.commits;
  const plan = await DefaultService.planRestore(node, { transactions: [transaction.lsn] });
  const updates: number | undefined = plan.tables[0]?.updates;
  const { length: answers } = batch.answers;
  return { table: table.path, updates, total, reason, changes, answers, rows: 1, was, commits };
}
