/**
 * The one list of error codes. Each code has a cause and a remedy. `npm run docs:operations` writes both into
 * `docs/operations.md`, and the command line prints the remedy below the message.
 */
export type ErrorAction =
  /** The same call may succeed later; the user need not do anything. */
  | 'retry'
  /** The operator of the source or the store has to act. */
  | 'operator'
  /** The request was wrong; repeating it does not help. */
  | 'client'
  /** A fault of this program. */
  | 'bug';

interface ErrorDefinition {
  readonly action: ErrorAction;
  readonly cause: string;
  readonly remedy: string;
}

const define = <const T extends Record<string, ErrorDefinition>>(codes: T): T => codes;

export const ERROR_CODES = define({
  BAD_FLAGS: {
    action: 'client',
    cause: 'An option is missing or unknown, or its value is not allowed.',
    remedy: 'See `pgtimewarp COMMAND --help`.',
  },
  NOT_CONFIRMED: {
    action: 'client',
    cause:
      'The command cannot be undone and was not confirmed: the answer was no, or there was no terminal to ask at.',
    remedy: 'Repeat it with --yes. With --dry-run it only prints what it would do.',
  },
  BAD_TIME: {
    action: 'client',
    cause: 'A point in time is neither RFC 3339 with an offset nor an LSN.',
    remedy: 'Write 2026-01-31T09:41:00Z, 2026-01-31T09:41:00.123456+01:00 or 0/16B3748.',
  },
  BAD_KEY: {
    action: 'client',
    cause:
      'The key names a column outside the primary key, leaves one out, or has a value that is wrong for its type.',
    remedy: 'Name every key column once: --pk region=eu --pk id=1.',
  },
  BAD_TABLE_NAME: {
    action: 'client',
    cause: 'The table name is not an SQL identifier.',
    remedy: 'Write the name as in SQL: orders, sales.orders, "Odd Name"."Table".',
  },
  TABLE_UNKNOWN: {
    action: 'client',
    cause: 'The source has no table of that name.',
    remedy: 'Check schema and spelling. Names without quotes are folded to lower case.',
  },
  TABLE_CHANGING: {
    action: 'retry',
    cause: 'A table was dropped, renamed or altered on the source while the command read its definition.',
    remedy: 'Run the command again: it reads the new definition.',
  },
  TABLE_NOT_TRACKED: {
    action: 'client',
    cause: 'This node has no history of the table in this store.',
    remedy: 'Run `pgtimewarp track TABLE`, or name the right --node.',
  },
  TABLE_NOT_TRACKABLE: {
    action: 'client',
    cause: 'The write-ahead log cannot identify the rows of this table by a primary key.',
    remedy: 'The message names the reason.',
  },
  TABLE_OF_ANOTHER_NODE: {
    action: 'client',
    cause: 'Another node of the same database tracks the table already, so both would store its changes.',
    remedy: 'Ask the other node. If both shall have it: `pgtimewarp track TABLE --shared`.',
  },
  NO_PRIMARY_KEY: {
    action: 'client',
    cause: 'The table has no primary key, so the log cannot identify its rows.',
    remedy: 'ALTER TABLE … ADD PRIMARY KEY (…), then track it.',
  },
  KEY_TYPE_REFUSED: {
    action: 'client',
    cause:
      'One value of this type can have several texts. History finds rows by the text of their key, so it could miss some.',
    remedy: 'Use a primary key whose types have one text for each value. docs/types.md lists them.',
  },
  NODE_UNKNOWN: {
    action: 'client',
    cause: 'The store has no node of that name.',
    remedy: 'Run `pgtimewarp init --node NAME`, or see the names with `pgtimewarp status`.',
  },
  TRANSACTION_UNKNOWN: {
    action: 'client',
    cause:
      'No transaction with this commit LSN is known that changed a tracked table which the caller may read.',
    remedy:
      'Take the LSN from a list of transactions. A transaction after the horizon is known after the next run.',
  },
  QUESTION_TOO_LONG: {
    action: 'client',
    cause: 'The store needed more time for a question about many rows than a session has.',
    remedy: 'Ask about a shorter interval: name `from` and `to`, or read it in several parts.',
  },
  HORIZON_BEHIND: {
    action: 'retry',
    cause:
      'The node did not reach the position that the request waits for (`--await-lsn`, `await_lsn`) in time.',
    remedy: 'Ask again after the next run. `pgtimewarp status` shows whether runs happen.',
  },
  ROWS_UNKNOWN: {
    action: 'client',
    cause:
      'Not all rows of the table are known at that time: it lies before tracking, in a gap or in expired history, or runs are still reading the rows.',
    remedy: 'Ask for another time. `pgtimewarp status` shows since when the table is known, and its gaps.',
  },
  VALUES_UNKNOWN: {
    action: 'client',
    cause: 'The history lacks values of some rows at that time (`incomplete` in other answers).',
    remedy: 'Ask for other columns (--columns), or leave such rows out (--unknown skip).',
  },
  NODE_CONFLICT: {
    action: 'client',
    cause: 'The node exists, and its settings differ from the requested ones.',
    remedy: 'Use its settings or another node name, or remove the node with `pgtimewarp deinit` first.',
  },
  SAME_DATABASE: {
    action: 'client',
    cause: 'Source and store are one database. If it were lost, the history would be lost with it.',
    remedy: 'Name another database as --store. It may be on the same server.',
  },
  SOURCE_UNREACHABLE: {
    action: 'retry',
    cause: 'The program cannot connect to the source database.',
    remedy:
      'Start the server, or check host and port in --source and the firewall. Nothing is lost: the slot keeps the changes.',
  },
  STORE_UNREACHABLE: {
    action: 'retry',
    cause: 'The program cannot connect to the store database.',
    remedy:
      'Start the server, or check host and port in --store and the firewall. Nothing is lost: the slot on the source keeps the changes.',
  },
  STORE_READ_ONLY: {
    action: 'operator',
    cause:
      'The store is a standby, for instance after a failover. It answers questions but cannot store history. Nothing is lost: the slot on the source keeps the changes.',
    remedy: 'Name the primary (the writer endpoint) as --store, or promote this server: SELECT pg_promote();',
  },
  SESSION_CHANGED: {
    action: 'operator',
    cause:
      'The connection goes through a pooler in transaction mode. It may give each transaction another session, so settings and locks are lost between them.',
    remedy:
      'Connect to the server itself, or to a pooler in session mode. Nothing is lost: the slot keeps the changes.',
  },
  AUTHENTICATION_FAILED: {
    action: 'operator',
    cause: 'The database refused the user or the password.',
    remedy: 'Check user and password in the connection string, and pg_hba.conf on the server.',
  },
  SECRET_UNREADABLE: {
    action: 'operator',
    cause: 'The function could not read the credentials of a database from Secrets Manager.',
    remedy:
      'Check the ARN, the permission to read the secret, and its form: {"host", "port", "username", "password", "dbname"} or {"url"}.',
  },
  CONFIGURATION_WRONG: {
    action: 'operator',
    cause: 'A setting in the environment or in the properties of a deployed function is missing or wrong.',
    remedy: 'The message names the setting. Deploy again with the stacks of this version.',
  },
  DATABASE_MISSING: {
    action: 'operator',
    cause: 'The server has no database of that name.',
    remedy: 'Correct the connection string, or CREATE DATABASE …',
  },
  PERMISSION_DENIED: {
    action: 'operator',
    cause: 'The role lacks a privilege.',
    remedy: 'The message names the object. docs/operations.md lists the grants that each role needs.',
  },
  ENCODING_REFUSED: {
    action: 'operator',
    cause: 'The program cannot read or store text of this encoding without changing it.',
    remedy:
      'A store needs the encoding UTF8. A source needs any encoding but SQL_ASCII. The message names the encoding found.',
  },
  WAL_LEVEL: {
    action: 'operator',
    cause: 'The WAL of the source lacks the information that logical decoding needs.',
    remedy:
      'ALTER SYSTEM SET wal_level = logical; then restart the server (RDS: rds.logical_replication = 1).',
  },
  PLUGIN_MISSING: {
    action: 'operator',
    cause: 'The output plugin is not installed on the source server.',
    remedy:
      'Install it (Debian: apt-get install postgresql-NN-wal2json), or `init --plugin pgoutput`, which is built in.',
  },
  PLUGIN_OUTDATED: {
    action: 'operator',
    cause: 'The output plugin of the source is too old: it lacks an option that history needs.',
    remedy:
      'Install wal2json 2.5 or later on the source (Debian: apt-get install postgresql-NN-wal2json), or `init --plugin pgoutput`, which is built in.',
  },
  PLUGIN_REFUSED: {
    action: 'operator',
    cause: 'The setting output_plugin_libraries of the source does not allow this output plugin.',
    remedy:
      'As superuser: ALTER SYSTEM SET output_plugin_libraries = pgoutput, wal2json; SELECT pg_reload_conf(); or `init --plugin pgoutput`.',
  },
  NO_NAN_FALSE: {
    action: 'client',
    cause: 'A table tracked with --no-nan contains NaN or infinity.',
    remedy: 'Untrack the table, then track it without --no-nan.',
  },
  PUBLICATION_RIGHTS: {
    action: 'operator',
    cause: 'Only a role that owns both the table and the publication can add the table to it.',
    remedy: 'Let such a role run the SQL in the message, then repeat the command.',
  },
  PUBLICATION_MISSING: {
    action: 'operator',
    cause: 'The publication that the slot reads does not exist, or was created after the slot.',
    remedy: 'Create the publication again, then give the node a new slot: `pgtimewarp rebaseline --node`.',
  },
  SLOT_MISSING: {
    action: 'operator',
    cause: 'The replication slot of the node is gone. The changes since the last run are lost.',
    remedy: '`pgtimewarp rebaseline --node` makes a new slot and records the gap.',
  },
  SLOT_LOST: {
    action: 'operator',
    cause: 'The server has removed WAL that the slot still needed (wal_status lost).',
    remedy:
      '`pgtimewarp rebaseline --node` makes a new slot and records the gap. Raise max_slot_wal_keep_size as well.',
  },
  SLOT_RELEASED: {
    action: 'operator',
    cause: 'The slot was dropped, so that the WAL it kept could not fill the disk of the source.',
    remedy: '`pgtimewarp rebaseline --node` makes a new slot and records the gap.',
  },
  SLOT_CONFLICT: {
    action: 'operator',
    cause: 'A slot of this name exists, but with another plugin, in another database or with two_phase.',
    remedy: 'Choose another name: `pgtimewarp init --slot NAME`.',
  },
  SLOT_BUSY: {
    action: 'retry',
    cause: 'Another session is reading the slot.',
    remedy: 'If another run reads it, do nothing. Otherwise look at active_pid in pg_replication_slots.',
  },
  SLOT_LIMIT: {
    action: 'operator',
    cause: 'All replication slots of the source are in use.',
    remedy: 'Drop slots that are no longer used, or raise max_replication_slots (needs a restart).',
  },
  HISTORY_FORKED: {
    action: 'operator',
    cause:
      'The source is another server than the store has followed, or it was restored: its past differs from the history.',
    remedy: '`pgtimewarp rebaseline --node` begins a new line of history and records the gap.',
  },
  SOURCE_REPLACED: {
    action: 'operator',
    cause: 'The server at the address of the source is another server, or on another timeline.',
    remedy:
      'Name the right server as --source: the run then withdraws the gap. If this server replaces the old one: ' +
      '`pgtimewarp rebaseline --node`.',
  },
  POSITIONS_DIFFER: {
    action: 'operator',
    cause:
      'The source and its slots report log positions that do not compare, so the run cannot know what is complete.',
    remedy:
      'Report it with the output of `SELECT version(), aurora_version()`. Nothing is lost: the slot stays where it is.',
  },
  NODE_GAP: {
    action: 'operator',
    cause:
      'Changes of this node were lost, and the store has recorded a gap. Runs stop, because reading on would hide the loss.',
    remedy: '`pgtimewarp rebaseline --node` begins again after the gap.',
  },
  RELATION_GAP: {
    action: 'operator',
    cause:
      'Rows of the table changed, and the log does not contain the change. The history of the table has a gap from then on.',
    remedy: '`pgtimewarp rebaseline TABLE` reads the table again and ends the gap.',
  },
  NODE_BLOCKED: {
    action: 'operator',
    cause: 'Five runs could not store one transaction.',
    remedy:
      '`pgtimewarp doctor` names the cause. `pgtimewarp skip --lsn …` leaves the transaction out and records a gap.',
  },
  STREAM_UNREADABLE: {
    action: 'bug',
    cause: 'The output plugin wrote something that this version cannot read.',
    remedy:
      'Report it with the versions of PostgreSQL and of the plugin. Nothing is lost: the slot keeps the changes.',
  },
  KEY_TOO_LONG: {
    action: 'operator',
    cause:
      'The text of a key is too long for an index of the store. The row is not stored, and its table has a gap from there on.',
    remedy: 'Shorten the key, then run `pgtimewarp rebaseline TABLE`.',
  },
  TABLE_UNREADABLE: {
    action: 'operator',
    cause:
      'A run cannot read or store the existing rows of a table. It still stores the changes of this table and of all others.',
    remedy:
      'Remove the cause that the message names; `pgtimewarp doctor` prints the GRANT if a right is missing. Every run tries again, from the row where it stopped. Or untrack the table.',
  },
  ROW_TOO_LARGE: {
    action: 'operator',
    cause: 'A row, in the log or in a table, is larger than this program can hold in memory.',
    remedy:
      'Exclude the column, or keep its values smaller. If the row is in the log, the node is blocked there after five runs: `pgtimewarp skip`.',
  },
  CLAIM_LOST: {
    action: 'retry',
    cause: 'Another run took over the node while this run was stopped or lost its session.',
    remedy: 'Do nothing: the other run does the work.',
  },
  DEADLINE: {
    action: 'retry',
    cause: 'The time limit of this run has passed.',
    remedy:
      'Do nothing: the next run goes on. If one transaction is too large, run `pgtimewarp poll` on a machine without a time limit.',
  },
  NO_PROGRESS: {
    action: 'operator',
    cause:
      'Runs reach their time limit before they have stored the next transaction: it is too large for that time.',
    remedy: 'Run `pgtimewarp poll` without --max-seconds on a machine without a time limit.',
  },
  SCHEMA_OUTDATED: {
    action: 'operator',
    cause:
      'The store has no schema yet, or its schema is older than this version needs, or its functions are of another version.',
    remedy: 'Run `pgtimewarp migrate`.',
  },
  SCHEMA_TOO_NEW: {
    action: 'operator',
    cause: 'A newer version of pgtimewarp made the schema of the store.',
    remedy: 'Upgrade this pgtimewarp to that version.',
  },
  EXTENSION_MISSING: {
    action: 'operator',
    cause: 'The source does not have the SQL functions of pgtimewarp.',
    remedy: 'Run `pgtimewarp extension install`.',
  },
  SERVER_BINARIES_MISSING: {
    action: 'operator',
    cause: 'The command needs a throw-away PostgreSQL server, and this machine has no PostgreSQL to start.',
    remedy: 'apt-get install postgresql-15 postgresql-15-wal2json',
  },
  SERVER_FAILED: {
    action: 'operator',
    cause: 'A command to a throw-away PostgreSQL server on this machine failed.',
    remedy:
      'The message ends with the output of PostgreSQL. Look for a full disk, missing rights or too little memory.',
  },
  SCHEMA_CHANGED: {
    action: 'operator',
    cause:
      'A migration that the store has applied differs from the file of this version, or the store is older than 0.1.0.',
    remedy:
      'Install pgtimewarp again: its migration files were altered. A store from before 0.1.0 cannot be upgraded: keep the version ' +
      'that made it, or run `DROP SCHEMA pgtimewarp CASCADE` in the store, then init and track again.',
  },
  SOURCE_IN_RECOVERY: {
    action: 'operator',
    cause: 'The source is a standby. A standby has no slots that runs can create and advance.',
    remedy: 'Name the primary (the writer endpoint) as --source.',
  },
  RESTORE_REFUSED: {
    action: 'operator',
    cause:
      'The source did not take the rows of a restore: a constraint, a trigger, a missing right, or writes that were not planned. Nothing was changed.',
    remedy: 'The message names what stands in the way. The plan (without --apply) shows the rows.',
  },
  RESTORE_BUSY: {
    action: 'retry',
    cause: 'Other sessions held or changed the rows of a restore. Nothing was changed.',
    remedy: 'Run it again. --lock-timeout waits longer for locks.',
  },
  RESTORE_UNCLEAR: {
    action: 'operator',
    cause: 'The connection to the source broke while a restore committed.',
    remedy:
      'Look whether it was applied before you repeat it: `pgtimewarp transactions --by pgtimewarp.restore.id=ID`.',
  },
  RESTORE_STOPPED: {
    action: 'retry',
    cause: 'A signal stopped a restore before its commit. Nothing was changed.',
    remedy: 'Run it again: it begins anew.',
  },
  RESTORE_DIFFERS: {
    action: 'operator',
    cause:
      'A restore was applied and committed, but by the history some of its rows are not what was to be put back.',
    remedy:
      'The message names the rows and the commit. Look at them with `pgtimewarp asof`; `pgtimewarp restore --transaction LSN` of that commit undoes it.',
  },
  ARCHIVED: {
    action: 'client',
    cause:
      'The question needs history that is in the archive alone, and questions of this kind read only the store.',
    remedy:
      '`pgtimewarp asof`, `diff`, `export`, `changes`, `find`, `transactions` and `transaction` read the archive, and so does HTTP of `pgtimewarp serve` and of a deployment with `archive`. For other questions, run the query of `pgtimewarp archive sql`. `pgtimewarp archive show` says since when the store has everything.',
  },
  ARCHIVE_TOO_MUCH: {
    action: 'client',
    cause:
      'The answer would need more requests, bytes or versions of the archive than one question may cost.',
    remedy:
      'Ask for a shorter interval, or for fewer keys at a time. For whole tables, run the query of `pgtimewarp archive sql`.',
  },
  ARCHIVE_NOT_SET: {
    action: 'client',
    cause: 'The table has no archive.',
    remedy: 'Run `pgtimewarp archive set TABLE --hot 90d`.',
  },
  ARCHIVE_NOT_YET: {
    action: 'client',
    cause: 'The instant lies after the part of the history that is in the archive and verified.',
    remedy:
      '`pgtimewarp archive show` says up to when tables are archived. Later instants are in the store: `pgtimewarp asof`.',
  },
  ARCHIVE_UNREACHABLE: {
    action: 'retry',
    cause: 'The bucket or the catalog of the archive did not answer, or refused a request. Nothing is lost.',
    remedy:
      'Check address, rights and credentials, then repeat the command: `pgtimewarp archive run` goes on where it stopped.',
  },
  ARCHIVE_FOREIGN: {
    action: 'operator',
    cause: 'The bucket or the catalog has an object or a table of that name which this store did not write.',
    remedy:
      'Give each store a prefix of its own in --archive-url and, for nodes of one name, a catalog of its own.',
  },
  ARCHIVE_DAMAGED: {
    action: 'operator',
    cause:
      'A file of the archive is missing or differs from what was written. Unless the history was dropped (`archive set --drop`), the store has it, too.',
    remedy: 'The message names the file. Restore that version of the object, if the bucket keeps versions.',
  },
  INTERRUPTED: {
    action: 'retry',
    cause: 'A signal stopped the command.',
    remedy: 'Run it again: it goes on where it stopped.',
  },
  TRANSACTION_CONFLICT: {
    action: 'retry',
    cause: 'A database cancelled our transaction because of another: a deadlock or a serialization failure.',
    remedy:
      'Do nothing: the next run does it again. If it happens often, the log of the server names the other transaction.',
  },
  DATABASE_ERROR: {
    action: 'operator',
    cause: 'A database returned an error that has no code in this list.',
    remedy: 'The message is that of the database. --verbose shows the statement.',
  },
  INTERNAL: {
    action: 'bug',
    cause: 'The program reached a state that should be impossible.',
    remedy: 'Report it with the output of --verbose.',
  },
});

export type ErrorCode = keyof typeof ERROR_CODES;
