/**
 * Creates and drops the replication slot of a node. It turns refusals of the server into TimewarpErrors by SQLSTATE and further queries, never
 * by the text alone, because messages come in the language of the server.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { fromDatabaseError, sqlState } from '../../pg/database-error.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import { NUMBERS_AS_TEXT, type Plugin, pluginOptions } from '../../types/plugin.ts';

/** A slot by its name, and the plugin that it has or should have. */
export interface PluginSlot {
  readonly name: string;
  readonly plugin: Plugin;
}

export interface NewSlot extends PluginSlot {
  readonly failover: boolean;
}

/**
 * Creates a logical slot and reads it once: a server may accept the name of a plugin and still refuse to load it. Waits for every
 * transaction that is open now.
 * @param failover whether standbys that synchronise slots get it (from PostgreSQL 17 on), so that it is there after a failover
 * @returns the position from which on the slot delivers complete transactions
 */
export async function createSlot(source: Queryable, { name, plugin, failover }: NewSlot): Promise<Lsn> {
  let start: Lsn;
  try {
    // Without two_phase: such a slot loses the rows of a COMMIT PREPARED if it was moved past the PREPARE before.
    const { rows } = await source.query<{ lsn: string }>(
      `SELECT lsn
         FROM pg_catalog.pg_create_logical_replication_slot($1::name, $2::name, false, false${failover && (await knowsFailover(source)) ? ', true' : ''})`,
      [name, plugin],
    );
    start = parseLsn(rows[0]!.lsn);
  } catch (error) {
    throw await explain(source, error, { name, plugin });
  }
  try {
    await probe(source, { name, plugin }, start);
  } catch (error) {
    await dropSlot(source, name).catch(() => {}); // the caller gets the first error
    throw await explain(source, error, { name, plugin });
  }
  return start;
}

async function knowsFailover(source: Queryable): Promise<boolean> {
  const { rows } = await source.query<{ known: boolean }>(
    `SELECT current_setting('server_version_num')::int >= 170000 AS known`,
  );
  return rows[0]!.known;
}

/** Drops the slot; does nothing if it does not exist. Throws SLOT_BUSY while a session reads it. @returns whether it existed */
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

/** How long to wait for a slot that another session reads. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 250;

/**
 * As {@link dropSlot}, but waits while another session reads the slot. The session of a dead run reads on until it notices that its client
 * is gone: wait at most 20 s.
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
 * Cancels the creation of a slot, which may wait for open transactions; its caller gets an error. PostgreSQL may refuse that for a session
 * of another login: then the function waits for its end.
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
 * Why the slot cannot be read: the error of the server; null if it can be read or another session reads it now.
 * @param upto a position that the slot has confirmed, so that the server decodes nothing
 */
export async function whyNotReadable(
  source: Queryable,
  slot: PluginSlot,
  upto: Lsn,
): Promise<TimewarpError | null> {
  try {
    await probe(source, slot, upto);
    return null;
  } catch (error) {
    const reason = await explain(source, error, slot);
    return reason.code === 'SLOT_BUSY' ? null : reason;
  }
}

/**
 * Whether the plugin of the slot knows {@link NUMBERS_AS_TEXT}; null if another session reads the slot now. If the plugin does not know it,
 * the server logs an error: so call this at set-up, not in every run.
 * @param upto a position that the slot has confirmed, so that the server decodes nothing
 */
export async function knowsNumbersAsText(
  source: Queryable,
  slot: PluginSlot,
  upto: Lsn,
): Promise<boolean | null> {
  if (slot.plugin !== 'wal2json') return false;
  try {
    await probe(source, slot, upto, NUMBERS_AS_TEXT);
    return true;
  } catch (error) {
    if (isOptionRefused(error)) return false;
    const reason = await explain(source, error, slot);
    if (reason.code === 'SLOT_BUSY') return null;
    throw reason;
  }
}

/** Whether an output plugin refused an option (invalid_parameter_value), also if the error was translated already. */
export function isOptionRefused(error: unknown): boolean {
  const state = error instanceof TimewarpError ? error.facts.sqlstate : sqlState(error);
  return state === '22023';
}

// biome-ignore lint/complexity/useMaxParams: only one caller adds options
async function probe(
  source: Queryable,
  { name, plugin }: PluginSlot,
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

async function explain(source: Queryable, error: unknown, slot: PluginSlot): Promise<TimewarpError> {
  const ofPlugin = await explainPlugin(source, error, slot);
  const { name, plugin } = slot;
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

/** The name of a file of the WAL. */
const WAL_SEGMENT = /\b[0-9A-F]{24}\b/;

/**
 * Turns an error of a function that creates or reads a slot into the reason why its output plugin cannot be used; null if the error has
 * another cause. Call it outside a failed transaction.
 */
export async function explainPlugin(
  source: Queryable,
  error: unknown,
  { name, plugin }: PluginSlot,
): Promise<TimewarpError | null> {
  const said = error instanceof Error ? error.message : String(error);
  const facts = { slot: name, plugin, sqlstate: sqlState(error) ?? null };
  switch (sqlState(error)) {
    case '58P01': // undefined_file: the library of the plugin, a segment of the WAL, or the library of a type
      if (WAL_SEGMENT.test(said))
        return new TimewarpError('SLOT_LOST', `The slot "${name}" has lost its WAL: ${said}.`, {
          cause: error,
          facts,
        });
      if (!said.includes(plugin)) return null;
      return new TimewarpError('PLUGIN_MISSING', `The source has no output plugin ${plugin}: ${said}.`, {
        cause: error,
        facts,
      });
    case '22023': // invalid_parameter_value: the plugin refuses one of its options
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
    `The source does not allow the output plugin ${plugin}: ${said}.`,
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
