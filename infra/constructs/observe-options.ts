/** What is observed of a database, as users write it; checked here, with the node that it is about in every message. */
import type { Duration } from 'aws-cdk-lib';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import type { ObservedArchive, ObservedNode, ObservedTable } from './observed-node.ts';
import { secretReference } from './secret-reference.ts';
import type { TimewarpTableArchive } from './timewarp-archive.ts';
import type { TimewarpSource } from './timewarp-source.ts';

/** What one table needs beyond its name. */
export interface TimewarpTableOptions {
  /**
   * Columns that are never stored.
   * @default none
   */
  readonly exclude?: string[];
  /**
   * How long its history is kept.
   * @default that of the node
   */
  readonly retention?: Duration;
  /**
   * Whether the rows that it already has are read.
   * @default true
   */
  readonly baseline?: boolean;
  /**
   * Its numeric and float columns never hold NaN or Infinity (docs/types.md).
   * @default false
   */
  readonly noNan?: boolean;
  /**
   * Another node of the same database may observe it, too.
   * @default false
   */
  readonly shared?: boolean;
  /**
   * How its history is archived.
   * @default that of the node
   */
  readonly archive?: TimewarpTableArchive;
}

/** What is observed of a database. */
export interface ObserveOptions {
  /** Their names, as in psql: `public.orders`. */
  readonly tables: string[];
  /**
   * What single tables need, by a name in `tables`.
   * @default nothing
   */
  readonly tableOptions?: { [table: string]: TimewarpTableOptions };
  /**
   * The name of the database, if the secret lacks it.
   * @default from the secret
   */
  readonly database?: string;
  /**
   * How long history is kept.
   * @default for ever
   */
  readonly retention?: Duration;
  /**
   * How the history of all its tables is archived. The `Timewarp` must have an `archive`.
   * @default not at all
   */
  readonly archive?: TimewarpTableArchive;
  /**
   * How often a run starts, in minutes.
   * @default 1
   */
  readonly everyMinutes?: number;
  /**
   * The output plugin: `pgoutput` or `wal2json`.
   * @default what the source has
   */
  readonly plugin?: string;
  /**
   * The name of the replication slot.
   * @default pgtimewarp_NODE
   */
  readonly slotName?: string;
  /**
   * The ARN of a database user (rds-db), for a login by IAM.
   * @default the secret has a password
   */
  readonly iamUserArn?: string;
}

export const NODE_NAME = /^[a-z0-9_]{1,40}$/;
const PLUGINS = ['pgoutput', 'wal2json'];
const MINUTES_OF_A_DAY = 1440;

/** Throws an Error that names the node and the mistake. */
export function observedNode(node: string, source: TimewarpSource, options: ObserveOptions): ObservedNode {
  const { secretArn, place } = source._parts;
  const { database, everyMinutes = 1, plugin = null, slotName = null, iamUserArn = null } = options;
  const refuse = (said: string): never => {
    throw new Error(`The node "${node}" cannot be observed: ${said}.`);
  };
  if (!NODE_NAME.test(node)) refuse('its name must be 1 to 40 lower-case letters, digits or underscores');
  if (plugin !== null && !PLUGINS.includes(plugin)) refuse(`the plugin must be ${PLUGINS.join(' or ')}`);
  if (!Number.isInteger(everyMinutes) || everyMinutes < 1 || everyMinutes > MINUTES_OF_A_DAY)
    refuse(`everyMinutes must be a whole number from 1 to ${MINUTES_OF_A_DAY}`);
  const place_ = { ...place, ...(database === undefined ? {} : { dbname: database }) };
  const reference = secretReference(secretArn, place_);
  const tables = observedTables(options, refuse);
  return { node, secretArn, reference, everyMinutes, plugin, slotName, tables, iamUserArn };
}

function observedTables(
  { tables, tableOptions = {}, retention: common, archive: commonArchive }: ObserveOptions,
  refuse: (said: string) => never,
): ObservedTable[] {
  const seen = new Set<string>();
  for (const name of Object.keys(tableOptions))
    if (!tables.includes(name)) refuse(`tableOptions names ${name}, which is not in tables`);
  return tables.map((name) => {
    const whole = canonical(name, refuse);
    if (seen.has(whole)) refuse(`${whole} is in the list already`);
    seen.add(whole);
    const own = tableOptions[name] ?? {};
    const { exclude = [], retention = common, baseline = true, noNan = false, shared = false } = own;
    const { archive = commonArchive } = own;
    if (archive !== undefined && retention !== undefined && archive.hot.toSeconds() >= retention.toSeconds())
      refuse(`the archive of ${whole} must be hot for a shorter time than the retention`);
    const kept = retention === undefined ? null : text(retention);
    const archived = archive === undefined ? null : observedArchive(archive);
    return { name, exclude, retention: kept, baseline, noNan, shared, archive: archived };
  });
}

function canonical(name: string, refuse: (said: string) => never): string {
  try {
    return formatTableName(parseTableName(name));
  } catch (error) {
    return refuse(`${name} is no table: ${(error as Error).message}`);
  }
}

function observedArchive({ hot, drop = false, minRows }: TimewarpTableArchive): ObservedArchive {
  return { hot: text(hot), drop, minRows: minRows ?? null };
}

/** A duration as the program writes it: 90d, or 5400s. */
function text(duration: Duration): string {
  const days = duration.toDays({ integral: false });
  return Number.isInteger(days) ? `${days}d` : `${duration.toSeconds()}s`;
}
