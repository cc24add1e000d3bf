/**
 * Making and dropping the replication slot of a node. What a server says when it does not let us is translated here, by
 * SQLSTATE and by looking, never by the wording alone: messages come in the server's language.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { fromDatabaseError, sqlState } from '../../pg/database-error.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import { NUMBERS_AS_TEXT, type Plugin, pluginOptions } from '../../types/plugin.ts';

/**
 * Makes a logical slot and reads it once: a server may let a plugin be named and still refuse to load it.
 * Waits for every transaction that is open at the time.
 * @returns the position from which on commits are delivered whole
 */
export async function createSlot(source: Queryable, name: string, plugin: Plugin): Promise<Lsn> {
  let start: Lsn;
  try {
    // No two_phase: such a slot loses the rows of a COMMIT PREPARED when it has been moved past the PREPARE.
    const { rows } = await source.query<{ lsn: string }>(
      'SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1::name, $2::name, false, false)',
      [name, plugin],
    );
    start = parseLsn(rows[0]!.lsn);
  } catch (error) {
    throw await explain(source, error, name, plugin);
  }
  try {
    await probe(source, name, plugin, start);
  } catch (error) {
    await dropSlot(source, name).catch(() => {}); // the first error is the one to tell
    throw await explain(source, error, name, plugin);
  }
  return start;
}

/** Drops the slot; nothing when there is none. Throws SLOT_BUSY while a session reads it. @returns whether it was there */
export async function dropSlot(source: Queryable, name: string): Promise<boolean> {
  try {
    const { rows } = await source.query(
      `SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
        WHERE slot_name = $1::name`,
      [name],
    );
    return rows.length > 0;
  } catch (error) {
    throw fromDatabaseError(error, 'source');
  }
}

/** How long a slot that is being read is waited for. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 250;

/**
 * As {@link dropSlot}, waiting for whoever reads it: a run that died leaves its session behind, which goes on reading until it
 * finds nobody to send to.
 */
export async function dropSlotWhenFree(source: Queryable, name: string): Promise<boolean> {
  const patience = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await dropSlot(source, name);
    } catch (error) {
      const inUse = error instanceof TimewarpError && error.code === 'SLOT_BUSY';
      if (!inUse || performance.now() > patience) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/**
 * Ends the making of a slot, which may be waiting for open transactions; whoever makes it gets an error. One that another login
 * makes may be none of ours to end: then it is waited for.
 */
export async function stopCreatingSlot(source: Queryable, name: string): Promise<void> {
  await source
    .query(
      `SELECT pg_catalog.pg_cancel_backend(active_pid) FROM pg_catalog.pg_replication_slots
      WHERE slot_name = $1::name AND active_pid IS NOT NULL AND confirmed_flush_lsn IS NULL`,
      [name],
    )
    .catch((error: unknown) => {
      if (sqlState(error) !== '42501') throw error;
    });
}

/**
 * Whether the slot can be read: what the server says when it cannot, null when it can or is being read at this moment.
 * @param upto a position that the slot has confirmed, so that nothing is decoded
 */
export async function whyNotReadable(
  source: Queryable,
  name: string,
  plugin: Plugin,
  upto: Lsn,
): Promise<TimewarpError | null> {
  try {
    await probe(source, name, plugin, upto);
    return null;
  } catch (error) {
    const reason = await explain(source, error, name, plugin);
    return reason.code === 'SLOT_BUSY' ? null : reason;
  }
}

/**
 * Whether the slot's plugin knows {@link NUMBERS_AS_TEXT}; null when the slot is being read at this moment. One that does not
 * leaves an error in the server's log, so ask when a slot is made or looked after, not in every run.
 * @param upto a position that the slot has confirmed, so that nothing is decoded
 */
export async function knowsNumbersAsText(
  source: Queryable,
  name: string,
  plugin: Plugin,
  upto: Lsn,
): Promise<boolean | null> {
  if (plugin !== 'wal2json') return false;
  try {
    await probe(source, name, plugin, upto, NUMBERS_AS_TEXT);
    return true;
  } catch (error) {
    if (isOptionRefused(error)) return false;
    const reason = await explain(source, error, name, plugin);
    if (reason.code === 'SLOT_BUSY') return null;
    throw reason;
  }
}

/** invalid_parameter_value: what an output plugin says of an option that it does not know, explained already or not. */
export function isOptionRefused(error: unknown): boolean {
  const state = error instanceof TimewarpError ? error.facts.sqlstate : sqlState(error);
  return state === '22023';
}

async function probe(
  source: Queryable,
  name: string,
  plugin: Plugin,
  upto: Lsn,
  further: readonly string[] = [],
): Promise<void> {
  const [peek, options] =
    plugin === 'wal2json'
      ? ['pg_logical_slot_peek_changes', pluginOptions('wal2json')]
      : [
          'pg_logical_slot_peek_binary_changes',
          [...pluginOptions('pgoutput'), 'publication_names', 'pgtimewarp'],
        ];
  await source.query(
    `SELECT count(*) FROM pg_catalog.${peek}($1::name, $2::pg_lsn, 1, VARIADIC $3::text[])`,
    [name, formatLsn(upto), [...options, ...further]],
  );
}

async function explain(
  source: Queryable,
  error: unknown,
  name: string,
  plugin: Plugin,
): Promise<TimewarpError> {
  const ofPlugin = await explainPlugin(source, error, name, plugin);
  if (ofPlugin !== null) return ofPlugin;
  const said = error instanceof Error ? error.message : String(error);
  const facts = { slot: name, plugin, sqlstate: sqlState(error) ?? null };
  switch (sqlState(error)) {
    case '53400': // configuration_limit_exceeded
      return new TimewarpError('SLOT_LIMIT', `The source has no free replication slot: ${said}.`, {
        cause: error,
        facts,
      });
    case '42710': // duplicate_object
      return new TimewarpError('SLOT_CONFLICT', `The source already has a slot "${name}".`, {
        cause: error,
        facts,
      });
    default:
      return fromDatabaseError(error, 'source');
  }
}

/**
 * Why the output plugin of a slot cannot be used, of what a function that makes or reads the slot has thrown; null when that
 * is about something else. Outside a failed transaction.
 */
export async function explainPlugin(
  source: Queryable,
  error: unknown,
  name: string,
  plugin: Plugin,
): Promise<TimewarpError | null> {
  const said = error instanceof Error ? error.message : String(error);
  const facts = { slot: name, plugin, sqlstate: sqlState(error) ?? null };
  switch (sqlState(error)) {
    case '58P01': // undefined_file: the library is not on the server
      return new TimewarpError('PLUGIN_MISSING', `The source has no output plugin ${plugin}: ${said}.`, {
        cause: error,
        facts,
      });
    case '22023': // invalid_parameter_value: by the plugin, of its options
      return new TimewarpError(
        'PLUGIN_OUTDATED',
        `The output plugin ${plugin} of the source is too old: ${said}.`,
        { cause: error, facts },
      );
    case '42501':
      return (await mayReplicate(source))
        ? refusedPlugin(error, said, facts)
        : noReplication(error, said, facts);
    default:
      return null;
  }
}

async function mayReplicate(source: Queryable): Promise<boolean> {
  const { rows } = await source.query<{ may: boolean }>(
    `SELECT bool_or(rolsuper OR rolreplication OR rolname = 'rds_replication') AS may
       FROM pg_catalog.pg_roles
      WHERE rolname = current_user
         OR rolname = 'rds_replication' AND pg_has_role(current_user, oid, 'member')`,
  );
  return rows[0]!.may;
}

function refusedPlugin(error: unknown, said: string, facts: Record<string, string | null>): TimewarpError {
  const plugin = facts.plugin;
  const instead =
    plugin === 'wal2json' ? ' Or use the plugin that is built in: pgtimewarp init --plugin pgoutput.' : '';
  return new TimewarpError(
    'PLUGIN_REFUSED',
    `The source does not permit the output plugin ${plugin}: ${said}.`,
    {
      cause: error,
      facts,
      remedy:
        'As superuser: ALTER SYSTEM SET output_plugin_libraries = pgoutput, wal2json; SELECT pg_reload_conf(); ' +
        `(a list: not quoted as a whole).${instead}`,
    },
  );
}

function noReplication(error: unknown, said: string, facts: Record<string, string | null>): TimewarpError {
  return new TimewarpError(
    'PERMISSION_DENIED',
    `The role of --source may not use replication slots: ${said}.`,
    {
      cause: error,
      facts,
      remedy: 'As superuser: ALTER ROLE … REPLICATION; (RDS: GRANT rds_replication TO …).',
    },
  );
}
