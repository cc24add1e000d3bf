/** What a program does with the client that oazapfts generates from our document: it must compile and receive the right values. */
import * as api from '../../test-output/clients/oazapfts.ts';

export async function ask(baseUrl: string, token: string, node: string): Promise<unknown> {
  api.defaults.baseUrl = baseUrl;
  api.defaults.headers = { authorization: `Bearer ${token}` };
  const tables = await api.listTables(node);
  if (tables.status !== 200) throw new Error(tables.data.title);
  const [table] = tables.data.tables;
  if (table === undefined) throw new Error('no table');
  const answer = await api.asOf(node, table.segment, '1', { awaitSeconds: 0 });
  const total: unknown = answer.status === 200 ? answer.data.row?.total : null;
  const absent = await api.asOf(node, table.segment, '2');
  const reason: string | null | undefined =
    absent.status === 404 && 'reason' in absent.data ? absent.data.reason : undefined;
  const page = await api.diff(node, table.segment, '1', { limit: 1 });
  const changes: number | null = page.status === 200 ? page.data.changes.length : null;
  const batch = await api.asOfBatch(node, table.segment, { keys: [1, { id: 2 }] });
  const answers: number | null = batch.status === 200 ? batch.data.answers.length : null;
  const found = await api.findRows(node, table.segment, { where: { 'where.total': '2', 'where.id': '1' } });
  const rows: number | null = found.status === 200 ? found.data.rows.length : null;
  const listed = await api.listTransactions(node, { table: table.segment, op: 'U' });
  const [transaction] = listed.status === 200 ? listed.data.transactions : [];
  if (transaction === undefined) throw new Error('no transaction');
  const touched = await api.getTransaction(node, transaction.lsn.replace('/', '-'));
  const was: unknown = touched.status === 200 ? touched.data.changes[0]?.before?.total : null;
  const counted = await api.getActivity(node, { buckets: 1 });
  const commits: number | undefined = counted.status === 200 ? counted.data.buckets[0]?.commits : undefined;
  const plan = await api.planRestore(node, { transactions: [transaction.lsn] });
  const updates: number | undefined = plan.status === 200 ? plan.data.tables[0]?.updates : undefined;
  return { table: table.path, updates, total, reason, changes, answers, rows, was, commits };
}
