/**
 * The one list of error codes. Each has its cause and its remedy; `docs/errors.md` is generated from it, and the
 * command line prints the remedy below the message.
 */
export type ErrorAction =
  /** The same call may succeed later without anyone doing something. */
  | 'retry'
  /** Someone who operates source or store has to act. */
  | 'operator'
  /** The request was wrong. */
  | 'client'
  /** Ours to mend. */
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
    cause: 'An option is missing, unknown or has a value that it cannot take.',
    remedy: 'See `pgtimewarp COMMAND --help`.',
  },
  NOT_CONFIRMED: {
    action: 'client',
    cause:
      'The command cannot be undone, and nobody has agreed to it: it was not typed at a terminal, or the answer was no.',
    remedy: 'Repeat it with --yes; with --dry-run it only says what it would do.',
  },
  BAD_TIME: {
    action: 'client',
    cause: 'A point in time is neither RFC 3339 with an offset nor an LSN.',
    remedy: 'Write 2026-01-31T09:41:00Z, 2026-01-31T09:41:00.123456+01:00 or 0/16B3748.',
  },
  BAD_KEY: {
    action: 'client',
    cause:
      'The key names other columns than the primary key, leaves one out, or has a value its type cannot hold.',
    remedy: 'Name every key column once: --pk region=eu --pk id=1.',
  },
  BAD_TABLE_NAME: {
    action: 'client',
    cause: 'The table name is not an SQL identifier.',
    remedy: 'Write it as psql takes it: orders, sales.orders, "Odd Name"."Table".',
  },
  TABLE_UNKNOWN: {
    action: 'client',
    cause: 'The source has no table of that name.',
    remedy: 'Check schema and spelling; names are folded to lower case unless quoted.',
  },
  TABLE_CHANGING: {
    action: 'retry',
    cause: 'A table was dropped, renamed or altered on the source at the moment at which it was looked at.',
    remedy: 'Run it again: it looks at the table as it is by then.',
  },
  TABLE_NOT_TRACKED: {
    action: 'client',
    cause: 'The table has no history in this store under this node.',
    remedy: 'Start with `pgtimewarp track TABLE`, or name the right --node.',
  },
  TABLE_NOT_TRACKABLE: {
    action: 'client',
    cause: 'The table cannot be followed through the write-ahead log by its primary key.',
    remedy: 'The message says what is in the way.',
  },
  NO_PRIMARY_KEY: {
    action: 'client',
    cause: 'The table has no primary key, so its rows cannot be told apart in the log.',
    remedy: 'ALTER TABLE … ADD PRIMARY KEY (…), then track it.',
  },
  KEY_TYPE_REFUSED: {
    action: 'client',
    cause:
      'Two different texts of a value of this type can be the same key, so a lookup by text could miss rows.',
    remedy: 'Only tables keyed by types with one text per value can be tracked.',
  },
  NODE_UNKNOWN: {
    action: 'client',
    cause: 'The store has no node of that name.',
    remedy: 'Run `pgtimewarp init --node NAME`, or see the names with `pgtimewarp status`.',
  },
  HORIZON_BEHIND: {
    action: 'retry',
    cause:
      'The node was not read up to the position that was waited for (`--await-lsn`, `await_lsn`) in time.',
    remedy: 'Ask again after the next run, or see with `pgtimewarp status` that runs happen.',
  },
  NODE_CONFLICT: {
    action: 'client',
    cause: 'The node exists with other settings than the ones asked for.',
    remedy: 'Use the settings it has, another node name, or remove it with `pgtimewarp deinit` first.',
  },
  SAME_DATABASE: {
    action: 'client',
    cause: 'Source and store are one database; the history would be lost together with what it protects.',
    remedy: 'Name another database (of the same server, if need be) as --store.',
  },
  SOURCE_UNREACHABLE: {
    action: 'retry',
    cause: 'No connection to the source database.',
    remedy:
      'Start the server, or check host, port and firewall in --source; the history is safe, the slot waits.',
  },
  STORE_UNREACHABLE: {
    action: 'retry',
    cause: 'No connection to the store database.',
    remedy:
      'Start the server, or check host, port and firewall in --store; nothing is lost, the slot on the source waits.',
  },
  STORE_READ_ONLY: {
    action: 'operator',
    cause:
      'The store is a standby, after a failover for instance: it answers questions, and takes no history. Nothing is lost; the slot on the source waits.',
    remedy:
      'Name the primary (the writer endpoint) as --store; or make this one the primary: SELECT pg_promote();',
  },
  SESSION_CHANGED: {
    action: 'operator',
    cause:
      'The connection goes through a pooler that gives every transaction another session (transaction mode): settings and locks do not hold.',
    remedy: 'Connect to the server itself, or to a pooler in session mode. Nothing is lost; the slot waits.',
  },
  AUTHENTICATION_FAILED: {
    action: 'operator',
    cause: 'The database refused user or password.',
    remedy: 'Check user and password of the connection string, and pg_hba.conf.',
  },
  SECRET_UNREADABLE: {
    action: 'operator',
    cause: 'The credentials of a database could not be read from Secrets Manager.',
    remedy:
      'Check the ARN, the permission to read it, and its form: {"host", "port", "username", "password", "dbname"} or {"url"}.',
  },
  CONFIGURATION_WRONG: {
    action: 'operator',
    cause: 'A deployed function was given an environment or properties that it cannot use.',
    remedy: 'The message names the setting; deploy again with the stacks of this version.',
  },
  DATABASE_MISSING: {
    action: 'operator',
    cause: 'The server has no database of that name.',
    remedy: 'CREATE DATABASE …, or correct the connection string.',
  },
  PERMISSION_DENIED: {
    action: 'operator',
    cause: 'The role lacks a right.',
    remedy: 'The message names the object; docs/operations.md lists the grants each role needs.',
  },
  ENCODING_REFUSED: {
    action: 'operator',
    cause: 'Text of a database with this encoding cannot be read, or kept, as it is.',
    remedy:
      'A store needs the encoding UTF8, a source any but SQL_ASCII. The message names the one that it has.',
  },
  WAL_LEVEL: {
    action: 'operator',
    cause: 'The source does not write logical information to its WAL.',
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
    cause: 'The output plugin of the source does not know an option that history needs: it is too old.',
    remedy:
      'Install wal2json 2.5 or later on the source (Debian: apt-get install postgresql-NN-wal2json), or `init --plugin pgoutput`, which is built in.',
  },
  PLUGIN_REFUSED: {
    action: 'operator',
    cause: 'The server does not permit this output plugin (setting output_plugin_libraries).',
    remedy:
      'As superuser: ALTER SYSTEM SET output_plugin_libraries = pgoutput, wal2json; SELECT pg_reload_conf(); or `init --plugin pgoutput`.',
  },
  NO_NAN_FALSE: {
    action: 'client',
    cause: 'A table that is tracked with --no-nan holds NaN or infinity.',
    remedy: 'Untrack it, and track it without --no-nan.',
  },
  PUBLICATION_RIGHTS: {
    action: 'operator',
    cause: 'Adding a table to a publication needs the owner of the table and of the publication.',
    remedy: 'Let the owner run the SQL in the message, then repeat the command.',
  },
  PUBLICATION_MISSING: {
    action: 'operator',
    cause: 'The publication that the slot reads does not exist, or is younger than the slot.',
    remedy: 'Create it again, then give the node a new slot: `pgtimewarp rebaseline --node`.',
  },
  SLOT_MISSING: {
    action: 'operator',
    cause: 'The replication slot of the node is gone; what happened since its last run is lost.',
    remedy: '`pgtimewarp rebaseline --node` makes a new slot and records the gap.',
  },
  SLOT_LOST: {
    action: 'operator',
    cause: 'The server has removed WAL that the slot still needed (wal_status lost).',
    remedy:
      '`pgtimewarp rebaseline --node` makes a new slot and records the gap; raise max_slot_wal_keep_size.',
  },
  SLOT_RELEASED: {
    action: 'operator',
    cause: 'The slot was dropped so that the WAL it kept does not fill the disk of the source.',
    remedy: '`pgtimewarp rebaseline --node` makes a new slot and records the gap.',
  },
  SLOT_CONFLICT: {
    action: 'operator',
    cause: 'A slot of this name exists and is not ours: other plugin, other database, or two_phase.',
    remedy: 'Choose another name: `pgtimewarp init --slot NAME`.',
  },
  SLOT_BUSY: {
    action: 'retry',
    cause: 'Another session is reading the slot.',
    remedy: 'Nothing to do if it is another run; else see active_pid in pg_replication_slots.',
  },
  SLOT_LIMIT: {
    action: 'operator',
    cause: 'All replication slots of the source are in use.',
    remedy: 'Raise max_replication_slots (restart), or drop slots that nobody reads.',
  },
  HISTORY_FORKED: {
    action: 'operator',
    cause: 'The source is not the server, or not the past, that the store has followed.',
    remedy: '`pgtimewarp rebaseline --node` begins a new line of history and records the gap.',
  },
  SOURCE_REPLACED: {
    action: 'operator',
    cause: 'Another server, or another timeline, answers under the name of the source.',
    remedy:
      'Name the right server as --source: the gap is withdrawn. If this one is the successor: ' +
      '`pgtimewarp rebaseline --node`.',
  },
  POSITIONS_DIFFER: {
    action: 'operator',
    cause:
      'The source counts the positions of its log otherwise than its slots do: what is complete cannot be known.',
    remedy:
      'Report it with the output of `SELECT version(), aurora_version()`. Nothing was lost: the slot stays where it is.',
  },
  NODE_GAP: {
    action: 'operator',
    cause:
      'Changes of this node were lost and recorded as a gap; reading on would pretend that nothing happened.',
    remedy: '`pgtimewarp rebaseline --node`.',
  },
  RELATION_GAP: {
    action: 'operator',
    cause:
      'Rows of the table changed in a way that the log does not tell; its history has a gap from then on.',
    remedy: '`pgtimewarp rebaseline TABLE` reads it again and ends the gap.',
  },
  NODE_BLOCKED: {
    action: 'operator',
    cause: 'One transaction could not be applied after several tries.',
    remedy: 'See `pgtimewarp doctor`; `pgtimewarp skip --lsn …` leaves it out and records a gap.',
  },
  STREAM_UNREADABLE: {
    action: 'bug',
    cause: 'The output plugin wrote something that this version cannot read.',
    remedy: 'Report it with the versions of PostgreSQL and plugin; the slot waits, nothing is lost.',
  },
  KEY_TOO_LONG: {
    action: 'operator',
    cause: 'The text of a key is longer than an index of the store can hold.',
    remedy:
      'Such a row is not followed, and its table is unknown from there on: shorten the key, then pgtimewarp rebaseline.',
  },
  TABLE_UNREADABLE: {
    action: 'operator',
    cause:
      'The existing rows of a table cannot be read, or not be kept. Its changes are followed; other tables go on.',
    remedy:
      'Mend what the message says; every run tries it again, from the row where it stopped. Or untrack the table.',
  },
  ROW_TOO_LARGE: {
    action: 'operator',
    cause: 'A row of the log, or of a table that is read, is larger than this program can hold at once.',
    remedy:
      'If it is in the log the node is blocked there after a few runs: pgtimewarp skip. Exclude the column, or keep its values smaller.',
  },
  CLAIM_LOST: {
    action: 'retry',
    cause: 'Another run took the node over while this one stood still.',
    remedy: 'Nothing: the other run does the work.',
  },
  DEADLINE: {
    action: 'retry',
    cause: 'The time for this run was used up.',
    remedy:
      'The next run goes on. One huge transaction: `pgtimewarp poll` on a machine without a time limit.',
  },
  NO_PROGRESS: {
    action: 'operator',
    cause:
      'Runs end at their deadline before the next transaction is stored: it is too large for the time they have.',
    remedy: 'Run `pgtimewarp poll` without --max-seconds on a machine without a time limit.',
  },
  SCHEMA_OUTDATED: {
    action: 'operator',
    cause:
      'The store has no schema yet, an older one than this version needs, or functions of another version.',
    remedy: 'Run `pgtimewarp migrate`.',
  },
  SCHEMA_TOO_NEW: {
    action: 'operator',
    cause: 'The schema of the store was made by a newer version.',
    remedy: 'Upgrade pgtimewarp here to the version that migrated the store.',
  },
  EXTENSION_MISSING: {
    action: 'operator',
    cause: 'The source has no SQL functions of pgtimewarp.',
    remedy: 'Run `pgtimewarp extension install`.',
  },
  SERVER_BINARIES_MISSING: {
    action: 'operator',
    cause: 'A throw-away PostgreSQL was asked for and this machine has none that can be started.',
    remedy: 'apt-get install postgresql-15 postgresql-15-wal2json',
  },
  SERVER_FAILED: {
    action: 'operator',
    cause: 'A throw-away PostgreSQL server on this machine did not do what it was told.',
    remedy:
      'The message ends with what PostgreSQL said; look for a full disk, missing rights or no free memory.',
  },
  SCHEMA_CHANGED: {
    action: 'operator',
    cause:
      'A migration that the store has applied differs from the file of this version, or the store is older than 0.1.0.',
    remedy:
      'Use an unaltered installation; a merged migration never changes. A store from before 0.1.0 cannot be carried over: keep it with the version ' +
      'that made it, or `DROP SCHEMA pgtimewarp CASCADE` in the store, and init and track again.',
  },
  SOURCE_IN_RECOVERY: {
    action: 'operator',
    cause: 'The source is a standby: it can neither make a slot nor confirm what was read.',
    remedy: 'Name the primary (the writer endpoint) as --source.',
  },
  INTERRUPTED: {
    action: 'retry',
    cause: 'Stopped by a signal.',
    remedy: 'Run it again: it goes on where it was.',
  },
  TRANSACTION_CONFLICT: {
    action: 'retry',
    cause: 'A database ended our transaction in favour of another: a deadlock, or a serialization failure.',
    remedy:
      "Nothing: the next run does it again. If it comes often, the server's log names who was in the way.",
  },
  DATABASE_ERROR: {
    action: 'operator',
    cause: 'A database answered with an error that has no code of its own here.',
    remedy: "The message is the server's; --verbose shows the statement.",
  },
  INTERNAL: {
    action: 'bug',
    cause: 'A condition that the program holds to be impossible.',
    remedy: 'Report it with the output of --verbose.',
  },
});

export type ErrorCode = keyof typeof ERROR_CODES;
