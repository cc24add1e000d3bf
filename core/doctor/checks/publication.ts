/** Checks whether the publication shows every change of every tracked table, and whether it makes the source refuse writes. */
import { formatTableName, quoteIdentifier, quoteTable } from '../../pg/identifiers.ts';
import { whyNotTrackable } from '../../source/catalog/trackable.ts';
import { publicationName, SHOW_GENERATED } from '../../source/publication/publication.ts';
import { type Check, fail, ok } from '../check.ts';
import { type DoctorFacts, rightSource } from '../facts.ts';

export function checkPublication(facts: DoctorFacts): Check[] {
  const side = rightSource(facts);
  const publication = side?.condition.publication ?? null;
  if (side === null || publication === null || side.publicationPresent !== true) return [];
  const name = publicationName(facts.node);
  const quoted = quoteIdentifier(name);
  const again = `The next runs read what it left out again; at once: pgtimewarp poll --node ${facts.node}`;
  const checks: Check[] = [];
  if (!publication.allActions || publication.viaRoot) {
    checks.push(
      fail(
        'publication_actions',
        `The publication ${name} does not publish everything, or not as pgtimewarp reads it.`,
        `ALTER PUBLICATION ${quoted} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false); ${again}`,
      ),
    );
  }
  if (publication.hidesGenerated) {
    checks.push(
      fail(
        'publication_generated',
        `The publication ${name} hides stored generated columns: where a replica identity has one, the source refuses UPDATE and DELETE.`,
        `ALTER PUBLICATION ${quoted} ${SHOW_GENERATED}; ${again}`,
      ),
    );
  }
  for (const member of publication.restricted) {
    const table = formatTableName(member);
    const stored = side.tables.find((each) => formatTableName(each.stored.name) === table)?.stored;
    if (!member.rows && member.hidden.every((column) => stored?.excludedColumns.includes(column))) continue; // only excluded columns are hidden
    checks.push(
      fail(
        'publication_filter',
        `The publication ${name} shows only some rows or columns of ${table}.`,
        `ALTER PUBLICATION ${quoted} DROP TABLE ${table}; ALTER PUBLICATION ${quoted} ADD TABLE ${table}; ${again}`,
      ),
    );
  }
  const members = new Set(publication.members.map(formatTableName));
  for (const { stored, now } of side.tables) {
    if (now === null || members.has(formatTableName(stored.name))) continue;
    if (whyNotTrackable(now, stored.name, 'pgoutput') !== null) continue; // a table that cannot be tracked must not be published; checkTables() says why
    const table = formatTableName(stored.name);
    checks.push(
      fail(
        'publication_table',
        `The publication ${name} does not name ${table}: its changes do not come.`,
        `ALTER PUBLICATION ${quoted} ADD TABLE ${quoteTable(stored.name)}; ${again}`,
      ),
    );
  }
  for (const { why, remedy, ...member } of publication.refused) {
    checks.push(
      fail(
        'publication_refused',
        `The source refuses UPDATE and DELETE on ${formatTableName(member)}, because it is published: ${why}.`,
        `ALTER PUBLICATION ${quoted} DROP TABLE ${quoteTable(member)}; the next run does the same. Or mend the identity: ${remedy}`,
      ),
    );
  }
  return checks.length > 0
    ? checks
    : [ok('publication_tables', `The publication ${name} shows all tracked tables.`)];
}
