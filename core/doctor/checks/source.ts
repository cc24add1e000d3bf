/** Checks the source apart from the slot: version, limits, privileges, clock. */
import { formatTableName, quoteIdentifier } from '../../pg/identifiers.ts';
import { isEarlierVersion, SQL_FUNCTIONS_VERSION } from '../../source/catalog/sql-functions.ts';
import { CLOCK_TOLERANCE_SECONDS } from '../../store/node/trusted-clock.ts';
import { type CommitTime, formatCommitTime, secondsBetween } from '../../types/commit-time.ts';
import { type Check, fail, notKnown, ok, warn } from '../check.ts';
import type { DoctorFacts, SourceSide } from '../facts.ts';
import { restartRemedy } from '../platform.ts';
import type { Heir } from '../source-condition.ts';

const OLDEST_TRIED = 150_000;

export function checkSource(facts: DoctorFacts): Check[] {
  const side = facts.source.facts;
  if (side === null) return [];
  const { server, condition } = side;
  const checks = [
    ...checkUnknown(side),
    server.versionNumber >= OLDEST_TRIED
      ? ok('source_version', `The source is PostgreSQL ${server.version} (${condition.platform}).`)
      : warn(
          'source_version',
          `The source is PostgreSQL ${server.version}; versions before 15 are not tested.`,
          'Upgrade the source to PostgreSQL 15 or later.',
        ),
    condition.mayReplicate === null
      ? notKnown('source_role', 'Whether the role may use replication slots')
      : condition.mayReplicate
        ? ok('source_role', 'The role may use replication slots.')
        : fail(
            'source_role',
            'The role of --source may not use replication slots.',
            condition.platform === 'self-managed'
              ? `As superuser on the source: ALTER ROLE ${condition.role} REPLICATION;`
              : `GRANT rds_replication TO ${condition.role}; (from documentation)`,
          ),
    condition.slotsUsed === null
      ? notKnown('slots_left', 'How many replication slots are used')
      : condition.slotsUsed < condition.slotsMax
        ? ok(
            'slots_left',
            `${condition.slotsUsed} of ${condition.slotsMax} replication slots are used, and ` +
              `${condition.sendersUsed ?? '(not known here)'} of ${condition.sendersMax} WAL senders, of which runs need none.`,
          )
        : warn(
            'slots_left',
            `All ${condition.slotsMax} replication slots are used: no program can make another one.`,
            restartRemedy(condition.platform, 'max_replication_slots', String(condition.slotsMax + 10)),
          ),
  ];
  if (condition.unreadable.length > 0) {
    checks.push(
      fail(
        'source_select',
        `The role may not read ${condition.unreadable.join(', ')}: a baseline could not be read.`,
        `GRANT SELECT ON ${condition.unreadable.join(', ')} TO ${condition.role};`,
      ),
    );
  }
  if (condition.filtered.length > 0) {
    checks.push(
      fail(
        'row_security',
        `Policies hide rows of ${condition.filtered.join(', ')} from the role: its rows cannot be read again.`,
        `As superuser on the source: ALTER ROLE ${condition.role} BYPASSRLS;`,
      ),
    );
  }
  if (condition.sqlFunctions !== null) checks.push(checkSqlFunctions(condition.sqlFunctions));
  checks.push(...condition.heirs.map((heir) => checkHeir(heir, side)));
  const clock = facts.store.facts?.condition?.clock;
  if (clock !== undefined) checks.push(checkClocks(server.clock, clock));
  return checks;
}

/** A hosted platform may refuse some questions. This check never fails; the checks that need the answers say so. */
function checkUnknown({ server, condition }: SourceSide): Check[] {
  const unknown = [...new Set([...server.unknown, ...condition.unknown])];
  if (unknown.length === 0) return [];
  return [ok('not_known', `The source refuses access to ${unknown.join(', ')}.`)];
}

/** Functions of an earlier version go on answering, but lack what is new. */
function checkSqlFunctions(version: string): Check {
  const message = `The SQL functions on the source have version ${version}`;
  if (version === SQL_FUNCTIONS_VERSION) return ok('sql_functions', `${message}.`);
  return warn(
    'sql_functions',
    `${message}, those of this program have ${SQL_FUNCTIONS_VERSION}.`,
    isEarlierVersion(version, SQL_FUNCTIONS_VERSION)
      ? 'pgtimewarp extension upgrade'
      : 'Upgrade this program.',
  );
}

/** A primary key does not apply to tables that inherit: each is a separate table (PostgreSQL manual, "Inheritance"). */
function checkHeir({ parent, hasKey, ...heir }: Heir, { tables }: SourceSide): Check {
  const [table, from] = [formatTableName(heir), formatTableName(parent)];
  const key =
    tables.find(({ now }) => now?.schema === parent.schema && now.name === parent.name)?.now?.key ?? [];
  const columns = key.map(({ name }) => quoteIdentifier(name)).join(', ');
  return warn(
    'inherited_rows',
    `Rows of ${table}, which inherits from ${from}, are seen by SELECT … FROM ${from}, and are not in its history.`,
    `To follow them: ${hasKey ? '' : `ALTER TABLE ${table} ADD PRIMARY KEY (${columns}); `}pgtimewarp track ${table}`,
  );
}

/** Commit times come from the clock of the source. The store limits those that are too far ahead of its own clock. */
function checkClocks(source: CommitTime, store: CommitTime): Check {
  const seconds = source > store ? secondsBetween(store, source) : secondsBetween(source, store);
  const message = `The clocks of source and store are ${seconds} s apart (source: ${formatCommitTime(source)}).`;
  if (seconds <= CLOCK_TOLERANCE_SECONDS) return ok('clocks', message);
  const remedy = 'Let both servers follow a time service: timedatectl set-ntp true';
  return source > store
    ? fail(
        'clocks',
        `${message} Times are stored no later than ${CLOCK_TOLERANCE_SECONDS} s after the store's clock.`,
        remedy,
      )
    : warn('clocks', message, remedy);
}
