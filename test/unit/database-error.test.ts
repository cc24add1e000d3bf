/** The meaning of database failures that no test with a real server can cause. */
import { expect, test } from 'vitest';
import { fromDatabaseError, noteSide } from '../../core/pg/database-error.ts';

test.each(['40001', '40P01'])('a transaction that was cancelled (%s) may be repeated', (code) => {
  const error = fromDatabaseError(Object.assign(new Error('could not serialize access'), { code }), 'store');
  expect(error).toMatchObject({ code: 'TRANSACTION_CONFLICT', action: 'retry', facts: { side: 'store' } });
});

test.each([
  [
    '42501',
    'la bibliothèque « wal2json » ne peut pas être utilisée comme plugin de sortie',
    'PERMISSION_DENIED',
  ],
  ['25006', 'kann INSERT nicht in einer Read-Only-Transaktion ausführen', 'STORE_READ_ONLY'],
  ['55006', 'слот репликации "s" занят процессом с PID 7', 'SLOT_BUSY'],
  ['40P01', '検出されたデッドロック', 'TRANSACTION_CONFLICT'],
  ['28P01', 'la autentificación falló', 'AUTHENTICATION_FAILED'],
  ['3D000', 'databas "x" finns inte', 'DATABASE_MISSING'],
  ['57P03', 'система баз данных запускается', 'STORE_UNREACHABLE'],
])('SQLSTATE %s decides, whatever the message: %s', (state, words, code) => {
  const said = fromDatabaseError(Object.assign(new Error(words), { code: state }), 'store');
  expect(said).toMatchObject({ code, message: expect.stringContaining(words) });
  const inEnglish = new Error('the output plugin, slot, standby and connection terminated');
  expect(fromDatabaseError(Object.assign(inEnglish, { code: state }), 'store').code).toBe(code);
});

test('an error names the side of its session, wherever it is caught', () => {
  const error = Object.assign(new Error('read-only'), { code: '25006' });
  noteSide(error, 'store');
  expect(fromDatabaseError(error, 'source')).toMatchObject({
    code: 'STORE_READ_ONLY',
    facts: { side: 'store' },
  });
});
