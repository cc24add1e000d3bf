/**
 * The events of the scheduled doctor: one when a check begins to fail, one when it passes again, and a report on changes and
 * once a day.
 */
import { expect, test } from 'vitest';
import type { Check } from '../../../core/doctor/check.ts';
import { fail, ok, summarize, warn } from '../../../core/doctor/check.ts';
import { recordDiagnosis } from '../../../core/doctor/record-diagnosis.ts';
import { runCommand } from '../../support/command.ts';
import { testDatabases } from '../../support/test-databases.ts';

test('a failing check is reported when it begins, when it ends, and once a day', async () => {
  await using databases = await testDatabases();
  const { store, node } = databases;
  const examine = (...checks: Check[]): Promise<boolean> => recordDiagnosis(store, node, summarize(checks));
  const events = async (): Promise<string[]> => {
    const { stdout } = await runCommand(['events', '--json'], databases);
    const list = (JSON.parse(stdout) as { events: { severity: string; code: string; message: string }[] })
      .events;
    return list.map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
  };
  const well = [ok('gaps', 'No gap is open.'), ok('lag', 'The horizon is 1 s old.')];
  const late = (seconds: number) => warn('lag', `The horizon is ${seconds} s old.`, 'poll');
  const gap = fail('gap_open', 'public.orders is unknown.', 'rebaseline');

  expect(await examine(...well)).toBe(true);
  expect(await examine(...well)).toBe(false);
  expect(await examine(late(400))).toBe(true);
  expect(await examine(late(460))).toBe(false);
  expect(await examine(late(520), gap)).toBe(true);
  expect(await examine(gap)).toBe(true);
  expect(await examine(...well)).toBe(true);
  expect((await events()).reverse()).toEqual([
    'info DOCTOR_REPORT: 2 checks passed.',
    'warn lag: The horizon is 400 s old.',
    'warn DOCTOR_REPORT: 1 warns, 0 checks passed.',
    'fail gap_open: public.orders is unknown.',
    'fail DOCTOR_REPORT: 1 check fails, 1 warns, 0 checks passed.',
    'info lag: The check passes again.',
    'fail DOCTOR_REPORT: 1 check fails, 0 checks passed.',
    'info gap_open: The check passes again.',
    'info DOCTOR_REPORT: 2 checks passed.',
  ]);

  await store.query(`UPDATE pgtimewarp.health_events SET ts = ts - interval '23 hours'`);
  expect(await examine(...well)).toBe(false);
  await store.query(`UPDATE pgtimewarp.health_events SET ts = ts - interval '1 hour'`);
  expect(await examine(...well)).toBe(true);
});
