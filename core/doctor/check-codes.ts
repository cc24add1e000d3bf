/** The one list of what doctor checks: what each code means and what to do. docs/operations.md is generated from it. */
interface CheckDefinition {
  /** What it means when it does not pass. */
  readonly meaning: string;
  /** In general; the check itself prints it with the names of the case. */
  readonly remedy: string;
}

const define = <const T extends Record<string, CheckDefinition>>(codes: T): T => codes;

const REBASELINE = '`pgtimewarp rebaseline --node NODE`';
const REBASELINE_TABLE = '`pgtimewarp rebaseline TABLE`';

export const CHECK_CODES = define({
  doctor: {
    meaning: 'The scheduled doctor itself failed before it could examine the node.',
    remedy: 'The message says why; `pgtimewarp doctor` by hand says more.',
  },
  source_reachable: {
    meaning: 'The source does not answer, or refuses the login.',
    remedy:
      'Mend connection string, network or server. Nothing is lost meanwhile: the slot waits and keeps WAL.',
  },
  store_reachable: {
    meaning: 'The store does not answer, or refuses the login.',
    remedy:
      'Start it, or mend the connection string. Nothing is lost meanwhile: the slot on the source waits and keeps WAL.',
  },
  schema_version: {
    meaning: 'The schema of the store is older or newer than this program.',
    remedy: '`pgtimewarp migrate`, or upgrade the program.',
  },
  node_known: {
    meaning: 'The store has no such node, or it was removed.',
    remedy: '`pgtimewarp init --node NODE`, or name the right --node.',
  },
  node_gap: {
    meaning:
      'Changes were lost. Reads inside the gap answer `in_gap`; nothing is read until the node begins again.',
    remedy: REBASELINE,
  },
  node_blocked: {
    meaning:
      'A transaction could not be applied in five runs. Its raw changes are in `pgtimewarp.blocked_changes`.',
    remedy:
      'Remove the cause and run `pgtimewarp skip --lsn LSN` (its tables are then unknown), then `pgtimewarp rebaseline TABLE`.',
  },
  not_known: {
    meaning:
      'The platform refuses some of what is asked (Amazon Aurora, for instance, pg_stat_wal). It never fails.',
    remedy: 'Nothing; checks that depend on it say so.',
  },
  source_version: {
    meaning: 'The source is older than what has been tried.',
    remedy: 'Upgrade it to PostgreSQL 15 or later.',
  },
  source_role: {
    meaning: 'The role may not use replication slots.',
    remedy:
      '`ALTER ROLE … REPLICATION;` on RDS and Aurora `GRANT rds_replication TO …;` (from documentation).',
  },
  source_select: {
    meaning: 'The role may not read a tracked table, so no baseline can be read.',
    remedy: '`GRANT SELECT ON … TO …;`',
  },
  row_security: {
    meaning:
      'Row-level security hides rows of a tracked table from the role. What the log tells goes on; rows are not read until all are seen.',
    remedy: 'As superuser on the source: `ALTER ROLE … BYPASSRLS;`',
  },
  inherited_rows: {
    meaning:
      'Other tables inherit from a tracked one: a SELECT from it shows their rows, and its history has its own only.',
    remedy: '`pgtimewarp track CHILD` follows theirs.',
  },
  source_pooler: {
    meaning:
      'The source is reached through a pooler that gives every transaction another session. Runs store nothing wrong, and end with SESSION_CHANGED.',
    remedy:
      "Name the server itself as --source; or, on PgBouncer's console and in its file: `SET pool_mode = 'session';`",
  },
  source_timeouts: {
    meaning:
      'Time-outs that server, database or role give every session. Ours set their own; through a pooler that exchanges sessions they end runs.',
    remedy: 'The SQL that doctor prints.',
  },
  source_encoding: {
    meaning: 'The source has the encoding SQL_ASCII: its bytes belong to no character set.',
    remedy: 'Dump the database and restore it into one with the encoding UTF8.',
  },
  source_primary: {
    meaning: 'The source is a standby.',
    remedy: 'Name the primary (the writer endpoint) as --source.',
  },
  source_identity: {
    meaning: 'Another server, or another database, answers under the name of the source.',
    remedy: `Name the right one: the gap is withdrawn. If this one is the successor: ${REBASELINE}.`,
  },
  source_timeline: {
    meaning: 'The source was promoted or restored: its history is another from some point on.',
    remedy: REBASELINE,
  },
  wal_level: {
    meaning: 'The source does not write logical information.',
    remedy:
      '`ALTER SYSTEM SET wal_level = logical;` and restart; on RDS and Aurora `rds.logical_replication = 1` and reboot (from documentation).',
  },
  slots_left: {
    meaning: 'Every replication slot of the source is used.',
    remedy: 'Raise `max_replication_slots`, or drop slots that nobody reads.',
  },
  clocks: {
    meaning:
      'The clocks of source and store are more than a minute apart. Of a source that is ahead, times are bounded by the clock of the store.',
    remedy: 'Let both follow a time service.',
  },
  horizon_ahead: {
    meaning:
      'The horizon lies in the future, where a wrong clock of the source put it before times were bounded: until then, every instant counts as known.',
    remedy:
      'Put the clock right. Times of a node never go back: begin a new one (`init --node NAME`, `track`), and remove this one when its history is not needed (`deinit --purge`).',
  },
  slot_present: {
    meaning: 'The slot is gone; what happened since the last run is lost.',
    remedy: REBASELINE,
  },
  slot_position: {
    meaning:
      'The slot stands past what the store has: somebody else read or moved it, and what is in between is lost. The next run records the gap.',
    remedy: REBASELINE,
  },
  slot_ours: {
    meaning: 'The slot was made by someone else: another plugin or database, two_phase or temporary.',
    remedy: `Drop it if nobody needs it, then ${REBASELINE}.`,
  },
  slot_wal: {
    meaning: 'The source has removed, or is about to remove, WAL that the slot needs.',
    remedy: `Lost: ${REBASELINE}. In danger: \`pgtimewarp poll\` at once, and raise max_slot_wal_keep_size.`,
  },
  plugin_permitted: {
    meaning: 'The source does not let the output plugin be loaded, or it is not installed.',
    remedy:
      '`ALTER SYSTEM SET output_plugin_libraries = pgoutput, wal2json; SELECT pg_reload_conf();` or a node with `--plugin pgoutput`.',
  },
  plugin_age: {
    meaning: 'The output plugin is too old: it does not know an option that history needs.',
    remedy:
      'Install wal2json 2.5 or later on the source; the slot waits meanwhile. Or begin a node with `--plugin pgoutput`.',
  },
  slot_reader: {
    meaning:
      'Somebody else reads the slot: changes that they consume are lost, and runs cannot read meanwhile.',
    remedy: '`SELECT pg_terminate_backend(PID);` and give them a slot of their own.',
  },
  wal_budget: {
    meaning:
      'The slot keeps half (warning) or 80 % (failing) of the WAL that it may; the message says what pins it.',
    remedy:
      'End the transaction that is named, `pgtimewarp poll`; when the disk cannot wait `pgtimewarp release-slot`.',
  },
  open_transaction: {
    meaning: 'A table waits to be tracked for a transaction that touched it before.',
    remedy: '`SELECT pg_terminate_backend(PID);` or wait for its end.',
  },
  idle_slot_timeout: {
    meaning: 'The source invalidates slots that look idle, as ours does between two runs.',
    remedy: '`ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();`',
  },
  wal_keep_size: {
    meaning:
      'At the rate at which the source writes, max_slot_wal_keep_size lasts for less than an hour, or than three runs, without one.',
    remedy: 'Raise `max_slot_wal_keep_size`.',
  },
  decoding_spills: {
    meaning: 'How much decoding wrote to the disk of the source. For information.',
    remedy: 'Raise `logical_decoding_work_mem`.',
  },
  publication_present: { meaning: 'The publication is gone: the slot cannot be read.', remedy: REBASELINE },
  publication_actions: {
    meaning:
      'The publication leaves out actions, or names partitions by their root. Runs record a gap of every table.',
    remedy: 'The SQL that doctor prints.',
  },
  publication_filter: {
    meaning: 'The publication shows only some rows or columns of a table. Runs record a gap.',
    remedy: 'The SQL that doctor prints.',
  },
  publication_table: {
    meaning: 'The publication does not name a tracked table. Runs record a gap.',
    remedy: 'The SQL that doctor prints.',
  },
  publication_generated: {
    meaning:
      'The publication hides stored generated columns (PostgreSQL 18): where a replica identity has one, the source refuses UPDATE and DELETE. Runs put it right if their role owns the publication.',
    remedy: 'The SQL that doctor prints.',
  },
  publication_refused: {
    meaning:
      'The source refuses UPDATE and DELETE of a published table: it has no replica identity, or a virtual generated column beside REPLICA IDENTITY FULL. The next run takes it out, if its role owns the publication.',
    remedy:
      'The SQL that doctor prints: take the table out of the publication, or give it a replica identity.',
  },
  publication_tables: { meaning: 'The publication is as it should be.', remedy: 'Nothing.' },
  lag: {
    meaning: 'The horizon is more than five minutes, or five runs, or 1 GiB of WAL behind.',
    remedy: 'See that runs happen every minute, or `pgtimewarp poll`.',
  },
  run_failures: {
    meaning: 'Runs fail at the same position; after five the node is blocked.',
    remedy: '`pgtimewarp poll --verbose` says why.',
  },
  no_progress: {
    meaning:
      'Runs end at their deadline without having stored anything: one transaction is too large for them.',
    remedy: '`pgtimewarp poll` on a machine without a time limit.',
  },
  nothing_tracked: {
    meaning:
      'The node follows no table: it has a slot, which keeps WAL on the source, and no history to answer from.',
    remedy:
      '`pgtimewarp track TABLE`, or `pgtimewarp deinit --node NODE` (what was followed before stays readable).',
  },
  table: { meaning: 'The table is as it was when tracking began.', remedy: 'Nothing.' },
  table_present: {
    meaning: 'A tracked table is gone or renamed.',
    remedy: 'Rename it back, or `pgtimewarp untrack TABLE`.',
  },
  table_trackable: {
    meaning: 'A tracked table cannot be followed any more: key, replica identity or persistence.',
    remedy: 'The SQL that doctor prints; then the next runs read it again.',
  },
  table_key: {
    meaning: 'The primary key is another one; history is kept under the old one.',
    remedy: '`pgtimewarp untrack TABLE`, `pgtimewarp track TABLE`.',
  },
  table_recreated: {
    meaning: 'A table was made anew under the name of a tracked one, and no run has seen it yet.',
    remedy: 'Nothing, as a warning: runs read it again. Else the remedy that doctor prints.',
  },
  table_changed: {
    meaning: 'Rows of a table may have changed without a trace in the log, and no run has seen it yet.',
    remedy: 'Nothing, as a warning: runs read it again. Else the remedy that doctor prints.',
  },
  table_baseline: {
    meaning: 'Rows of the table are unknown, cannot be read, or its baseline is not finished.',
    remedy: `Nothing, as a warning: runs go on with it. Else ${REBASELINE_TABLE}, or what the message says.`,
  },
  excluded_column: {
    meaning: 'A column that is excluded has another name now, under which its values are stored.',
    remedy: '`pgtimewarp untrack TABLE`, `pgtimewarp track TABLE --exclude NEW_NAME`.',
  },
  no_nan: {
    meaning:
      'A table that is tracked with `--no-nan` holds NaN or infinity. Since that was seen nothing is taken at its word; NULLs of before carry `assumes`, and may have been such values.',
    remedy: '`pgtimewarp untrack TABLE`, `pgtimewarp track TABLE`, without the option.',
  },
  column_incomplete: {
    meaning:
      'The output plugin does not carry every value of a column (NaN and infinities, with wal2json). Answers name it in `incomplete`. Warned of for a week.',
    remedy:
      'wal2json 2.6 or later and `pgtimewarp init` once more, or a node with `--plugin pgoutput`. Where the column never holds such values `pgtimewarp track TABLE --no-nan`; or exclude it.',
  },
  gaps: { meaning: 'No gap is open.', remedy: 'Nothing.' },
  gap_open: {
    meaning: 'A table, or the node, is unknown from some time on.',
    remedy: `Nothing, as a warning: runs read the table again. Else ${REBASELINE_TABLE} or ${REBASELINE}`,
  },
  store_writable: {
    meaning:
      'The store is a standby: no run can write. As a warning: its transactions are read-only by default, which runs do not follow.',
    remedy: 'Name the primary as --store, or `SELECT pg_promote();` Warned of: the SQL that doctor prints.',
  },
  store_pooler: {
    meaning:
      'The store is reached through a pooler that gives every transaction another session. Runs store nothing wrong, and end with SESSION_CHANGED.',
    remedy:
      "Name the server itself as --store; or, on PgBouncer's console and in its file: `SET pool_mode = 'session';`",
  },
  store_timeouts: {
    meaning:
      'Time-outs that server, database or role give every session. Ours set their own; through a pooler that exchanges sessions they end runs and questions.',
    remedy: 'The SQL that doctor prints.',
  },
  store_encoding: {
    meaning: 'The store has another encoding than UTF8, and cannot hold whatever a source holds.',
    remedy: "`CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8';`, and name it as --store.",
  },
  store_role: { meaning: 'The role may not write history.', remedy: '`GRANT pgtimewarp_writer TO …;`' },
  store_other_login: {
    meaning:
      'A run under another login of the store is under way (a rotation with two users), and this login can neither see nor end it.',
    remedy: '`GRANT pg_read_all_stats, pg_signal_backend TO pgtimewarp_writer;` on the store.',
  },
  store_connections: {
    meaning: 'Nine tenths of the connections of the store are used.',
    remedy: 'Raise `max_connections`, or end idle sessions.',
  },
  store_autovacuum: {
    meaning: 'Autovacuum of the store is off.',
    remedy: '`ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();`',
  },
  store_transaction_age: {
    meaning: 'Transaction ids of the store run out one day.',
    remedy: '`VACUUM (FREEZE);` soon.',
  },
  store_size: { meaning: 'Size and growth. For information.', remedy: 'Retention, or a larger disk.' },
  retention_overdue: {
    meaning:
      'History that has left its window has not been dropped for an hour: readers are in the way, or runs fail.',
    remedy: 'End the reader that is named, then `pgtimewarp retention run`.',
  },
  ranges_ahead: {
    meaning:
      'The history of a table with a window has no range ahead of its changes; they will be forgotten late.',
    remedy: '`pgtimewarp poll`',
  },
  time_map: {
    meaning: 'The map from positions to times is out of order.',
    remedy: `Report it; then ${REBASELINE}.`,
  },
  self_proof: {
    meaning: 'Live rows, drawn at random, are not what history says of them.',
    remedy: `${REBASELINE_TABLE}, and report it.`,
  },
});

export type CheckCode = keyof typeof CHECK_CODES;
