/** What failures of a database mean, where no test brings a server to them. */
import { expect, test } from 'vitest';
import { fromDatabaseError } from '../../core/pg/database-error.ts';

test.each(['40001', '40P01'])('a transaction that had to give way (%s) is worth another try', (code) => {
  const error = fromDatabaseError(Object.assign(new Error('could not serialize access'), { code }), 'store');
  expect(error).toMatchObject({ code: 'TRANSACTION_CONFLICT', action: 'retry', facts: { side: 'store' } });
});
