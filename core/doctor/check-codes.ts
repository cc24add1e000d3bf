/** The one list of the checks of doctor: what each code means and what to do. `npm run docs:operations` writes it into docs/operations.md. */
interface CheckDefinition {
  /** What it means when the check warns or fails. */
  readonly meaning: string;
  /** The general remedy. The check itself prints it with the names of the case. */
  readonly remedy: string;
}

const define = <const T extends Record<string, CheckDefinition>>(codes: T): T => codes;

const REBASELINE = '`pgtimewarp rebaseline --node NODE`';
const REBASELINE_TABLE = '`pgtimewarp rebaseline TABLE`';

export const CHECK_CODES = define({
  doctor: {
    meaning: 'The scheduled doctor failed before it could check the node.',
    remedy: 'The message names the cause. Run `pgtimewarp doctor` by hand for more.',
  },
  source_reachable: {
    meaning: 'The source does not answer, or refuses the login.',
    remedy:
      'Correct the connection string, the network or the server. Nothing is lost meanwhile: the slot keeps the WAL.',
  },
  store_reachable: {
    meaning: 'The store does not answer, or refuses the login.',
    remedy:
      'Start it, or correct the connection string. Nothing is lost meanwhile: the slot on the source keeps the WAL.',
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
      'Changes were lost. Answers inside the gap are `in_gap`. Runs read nothing until the node begins again.',
    remedy: REBASELINE,
  },
  node_blocked: {
    meaning:
      'Five runs could not store one transaction. Its raw changes are in `pgtimewarp.blocked_changes`.',
    remedy:
      'Remove the cause, then run `pgtimewarp skip --lsn LSN` and `pgtimewarp rebaseline TABLE`. Between the two the tables of the transaction are unknown.',
  },
  not_known: {
    meaning:
      'The platform refuses some of the questions of doctor: Amazon Aurora, for instance, refuses pg_stat_wal. This check never fails.',
    remedy: 'Nothing. The checks that need the answers say so.',
  },
  source_version: {
    meaning: 'The source is older than PostgreSQL 15, the oldest version that is tested.',
    remedy: 'Upgrade it to PostgreSQL 15 or later.',
  },
  source_role: {
    meaning: 'The role may not use replication slots.',
    remedy:
      '`ALTER ROLE … REPLICATION;`; on RDS and Aurora `GRANT rds_replication TO …;` (from documentation).',
  },
  source_select: {
    meaning: 'The role may not read a tracked table, so runs cannot read its baseline.',
    remedy: '`GRANT SELECT ON … TO …;`',
  },
  row_security: {
    meaning:
      'Row-level security hides rows of a tracked table from the role. Runs still store changes, but read no rows of the table until they can see all.',
    remedy: 'As superuser on the source: `ALTER ROLE … BYPASSRLS;`',
  },
  inherited_rows: {
    meaning:
      'Other tables inherit from a tracked one. A SELECT from the parent shows their rows too; its history contains only its own.',
    remedy: '`pgtimewarp track CHILD` tracks the rows of a child.',
  },
  sql_functions: {
    meaning:
      'The SQL functions on the source have another version than this program. Earlier ones go on answering, but lack what is new.',
    remedy: '`pgtimewarp extension upgrade`; if they are newer, upgrade the program.',
  },
  source_pooler: {
    meaning:
      'A pooler in front of the source gives every transaction another session. Runs end with SESSION_CHANGED; they store nothing wrong.',
    remedy:
      "Name the server itself as --source; or, on PgBouncer's console and in its file: `SET pool_mode = 'session';`",
  },
  source_timeouts: {
    meaning:
      'The server, the database or the role sets time-outs for every session. Sessions of pgtimewarp set their own. Through a pooler that exchanges sessions, the inherited time-outs end runs.',
    remedy: 'The SQL that doctor prints.',
  },
  source_encoding: {
    meaning: 'The source has the encoding SQL_ASCII, which names no character set for its bytes.',
    remedy: 'Dump the database and restore it into one with the encoding UTF8.',
  },
  source_primary: {
    meaning: 'The source is a standby.',
    remedy: 'Name the primary (the writer endpoint) as --source.',
  },
  source_identity: {
    meaning: 'The address of the source leads to another server or another database.',
    remedy: `Name the right one: the run then withdraws the gap. If this server replaces the old one: ${REBASELINE}.`,
  },
  source_timeline: {
    meaning:
      'The source was promoted or restored, so its changes differ from the history from some point on.',
    remedy: REBASELINE,
  },
  wal_level: {
    meaning: 'The WAL of the source lacks the information that logical decoding needs.',
    remedy:
      '`ALTER SYSTEM SET wal_level = logical;` and restart; on RDS and Aurora `rds.logical_replication = 1` and reboot (from documentation).',
  },
  slots_left: {
    meaning: 'Every replication slot of the source is used.',
    remedy: 'Raise `max_replication_slots`, or drop slots that are no longer used.',
  },
  clocks: {
    meaning:
      'The clocks of source and store differ by more than a minute. If the source is ahead, the clock of the store limits the times of its commits.',
    remedy: 'Let both servers follow a time service.',
  },
  horizon_ahead: {
    meaning:
      'The horizon lies in the future, because an earlier version stored the time of a wrong clock. Until that time, every instant counts as known.',
    remedy:
      'Correct the clock. The times of a node never go back, so begin a new node (`init --node NAME`, `track`). Remove this one when you no longer need its history (`deinit --purge`).',
  },
  slot_present: {
    meaning: 'The slot is gone. The changes since the last run are lost.',
    remedy: REBASELINE,
  },
  slot_position: {
    meaning:
      'The slot is ahead of the store: another program read or moved it, and the changes in between are lost. The next run records the gap.',
    remedy: REBASELINE,
  },
  slot_ours: {
    meaning:
      'pgtimewarp did not make this slot: it has another plugin or database, or is two_phase or temporary.',
    remedy: `Drop it if no other program needs it, then ${REBASELINE}.`,
  },
  slot_wal: {
    meaning: 'The source has removed WAL that the slot needs, or is about to.',
    remedy: `Lost: ${REBASELINE}. In danger: \`pgtimewarp poll\` at once, and raise max_slot_wal_keep_size.`,
  },
  plugin_permitted: {
    meaning: 'The output plugin is not installed on the source, or the source does not allow it.',
    remedy:
      '`ALTER SYSTEM SET output_plugin_libraries = pgoutput, wal2json; SELECT pg_reload_conf();` or a node with `--plugin pgoutput`.',
  },
  plugin_age: {
    meaning: 'The output plugin is too old: it lacks an option that history needs.',
    remedy:
      'Install wal2json 2.5 or later on the source; the slot keeps the changes meanwhile. Or begin a node with `--plugin pgoutput`.',
  },
  slot_reader: {
    meaning:
      'Another program reads the slot. The changes that it consumes are lost, and runs cannot read meanwhile.',
    remedy: '`SELECT pg_terminate_backend(PID);` and give that program a slot of its own.',
  },
  wal_budget: {
    meaning:
      'The WAL that the slot keeps has reached half (warning) or 80 % (failing) of its budget. The message names what holds the WAL.',
    remedy:
      'End the transaction that the message names, then `pgtimewarp poll`. If the disk is almost full: `pgtimewarp release-slot`.',
  },
  open_transaction: {
    meaning: 'Tracking of a table waits for a transaction that used the table before.',
    remedy: '`SELECT pg_terminate_backend(PID);`, or wait until the transaction ends.',
  },
  idle_slot_timeout: {
    meaning: 'The source invalidates idle slots. Between two runs the slot is idle.',
    remedy: '`ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();`',
  },
  wal_keep_size: {
    meaning:
      'If no run came, the WAL of the source would exceed max_slot_wal_keep_size within an hour, or within the time of three runs.',
    remedy: 'Raise `max_slot_wal_keep_size`.',
  },
  decoding_spills: {
    meaning: 'How many bytes decoding wrote to the disk of the source. For information.',
    remedy: 'Raise `logical_decoding_work_mem`.',
  },
  publication_present: {
    meaning: 'The publication is gone, so runs cannot read the slot.',
    remedy: REBASELINE,
  },
  publication_actions: {
    meaning:
      'The publication leaves out actions, or publishes partitions under the name of their root. Runs record a gap of every table.',
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
      'The publication hides stored generated columns (PostgreSQL 18). If a replica identity contains one, the source refuses UPDATE and DELETE. Runs correct this if their role owns the publication.',
    remedy: 'The SQL that doctor prints.',
  },
  publication_refused: {
    meaning:
      'The source refuses UPDATE and DELETE on a published table. It has no replica identity, or REPLICA IDENTITY FULL and a virtual generated column. The next run takes it out of the publication if its role owns the publication.',
    remedy:
      'The SQL that doctor prints: take the table out of the publication, or give it a replica identity.',
  },
  publication_tables: { meaning: 'The publication is as it should be.', remedy: 'Nothing.' },
  lag: {
    meaning: 'The horizon is more than five minutes, five runs or 1 GiB of WAL behind.',
    remedy: 'Make sure that a run starts every minute, or `pgtimewarp poll`.',
  },
  run_failures: {
    meaning: 'Runs fail at the same position. After five failures the node is blocked.',
    remedy: '`pgtimewarp poll --verbose` prints the cause.',
  },
  no_progress: {
    meaning:
      'Runs reach their time limit and have stored nothing: one transaction is too large for that time.',
    remedy: '`pgtimewarp poll` on a machine without a time limit.',
  },
  nothing_tracked: {
    meaning: 'The node tracks no table, but its slot keeps WAL on the source.',
    remedy:
      '`pgtimewarp track TABLE`, or `pgtimewarp deinit --node NODE`. History of tables tracked before stays readable.',
  },
  table: { meaning: 'The table has not changed since tracking began.', remedy: 'Nothing.' },
  table_present: {
    meaning: 'A tracked table is gone or renamed.',
    remedy: 'Rename it back, or `pgtimewarp untrack TABLE`.',
  },
  table_trackable: {
    meaning:
      'Runs can no longer track a table: its key, its replica identity or its persistence (UNLOGGED) changed.',
    remedy: 'The SQL that doctor prints. The next runs then read the table again.',
  },
  table_key: {
    meaning: 'The table has another primary key now. Its history is kept under the old one.',
    remedy: '`pgtimewarp untrack TABLE`, `pgtimewarp track TABLE`.',
  },
  table_recreated: {
    meaning: 'A tracked table was dropped and another one has its name now. No run has recorded it yet.',
    remedy: 'Warning: nothing, runs read the table again. Failure: the remedy that doctor prints.',
  },
  table_changed: {
    meaning:
      'Rows of a table may have changed, and the log does not contain the change. No run has recorded it yet.',
    remedy: 'Warning: nothing, runs read the table again. Failure: the remedy that doctor prints.',
  },
  table_baseline: {
    meaning: 'The table has a gap, runs cannot read its rows, or its baseline is not finished.',
    remedy: `Warning: nothing, runs go on with it. Failure: ${REBASELINE_TABLE}, or what the message says.`,
  },
  excluded_column: {
    meaning: 'An excluded column has a new name. Its values are stored under that name.',
    remedy: '`pgtimewarp untrack TABLE`, `pgtimewarp track TABLE --exclude NEW_NAME`.',
  },
  no_nan: {
    meaning:
      'A table tracked with `--no-nan` contains NaN or infinity. Since a run saw that, the option is ignored. Earlier NULLs carry `assumes` in answers: they may have been such values.',
    remedy: '`pgtimewarp untrack TABLE`, then `pgtimewarp track TABLE` without the option.',
  },
  column_incomplete: {
    meaning:
      'The output plugin does not write every value of a column: wal2json omits NaN and infinities. Answers name the column in `incomplete`. The warning lasts a week.',
    remedy:
      'Install wal2json 2.6 or later and run `pgtimewarp init` again, or begin a node with `--plugin pgoutput`. If the column never has such values: `pgtimewarp track TABLE --no-nan`. Or exclude it.',
  },
  gaps: { meaning: 'No gap is open.', remedy: 'Nothing.' },
  gap_open: {
    meaning: 'A table or the whole node has a gap that has not ended.',
    remedy: `Warning: nothing, runs read the table again. Failure: ${REBASELINE_TABLE} or ${REBASELINE}`,
  },
  store_writable: {
    meaning:
      'Failure: the store is a standby, so no run can write. Warning: transactions are read-only by default; runs write all the same.',
    remedy:
      'Failure: name the primary as --store, or `SELECT pg_promote();` Warning: the SQL that doctor prints.',
  },
  store_pooler: {
    meaning:
      'A pooler in front of the store gives every transaction another session. Runs end with SESSION_CHANGED; they store nothing wrong.',
    remedy:
      "Name the server itself as --store; or, on PgBouncer's console and in its file: `SET pool_mode = 'session';`",
  },
  store_timeouts: {
    meaning:
      'The server, the database or the role sets time-outs for every session. Sessions of pgtimewarp set their own. Through a pooler that exchanges sessions, the inherited time-outs end runs and questions.',
    remedy: 'The SQL that doctor prints.',
  },
  store_encoding: {
    meaning: 'The encoding of the store is not UTF8, so it cannot store every text of a source.',
    remedy: "`CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8';`, and name it as --store.",
  },
  store_role: { meaning: 'The role may not write history.', remedy: '`GRANT pgtimewarp_writer TO …;`' },
  store_other_login: {
    meaning:
      'A run under another login of the store is under way, for instance in a rotation with two users. This login can neither see nor end it.',
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
    meaning:
      'Rows of the store are more than 1.5 billion transactions old. At about 2.1 billion the store stops accepting writes.',
    remedy: '`VACUUM (FREEZE);` soon.',
  },
  store_size: { meaning: 'Size and growth. For information.', remedy: 'Retention, or a larger disk.' },
  retention_overdue: {
    meaning: 'Expired history has not been dropped for an hour: a reader prevents it, or runs fail.',
    remedy: 'End the reader that the message names, then `pgtimewarp retention run`.',
  },
  archive_stuck: {
    meaning:
      'A unit of the archive has not been verified for a day. Retention waits for it, because a copy is compared with the history.',
    remedy: '`pgtimewarp archive run` goes on with it, or says what is in the way.',
  },
  ranges_ahead: {
    meaning:
      'The history of a table with a retention window has no range for its next changes. They will be dropped too late.',
    remedy: '`pgtimewarp poll`',
  },
  time_map: {
    meaning: 'The map from positions to times is out of order.',
    remedy: `Report it; then ${REBASELINE}.`,
  },
  self_proof: {
    meaning: 'Random rows of the tables differ from the history.',
    remedy: `${REBASELINE_TABLE}, and report it.`,
  },
});

export type CheckCode = keyof typeof CHECK_CODES;
