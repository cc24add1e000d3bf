/** The style of field names in JSON: small letters and underscores. Names that users chose are not checked. */

/** Members of these fields are names of columns, or come from applications. */
const OF_USERS: ReadonlySet<string> = new Set([
  'row',
  'before',
  'after',
  'pk',
  'changed',
  'context',
  'row_data',
  'expected',
  'found',
]);

/** The paths of fields in another style. */
export function otherKeys(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => otherKeys(each, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [
    ...(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(key) ? [] : [`${path}.${key}`]),
    ...(OF_USERS.has(key) || isRows(key, member) ? [] : otherKeys(member, `${path}.${key}`)),
  ]);
}

/** The rows of a whole table; those of other answers have the row in `row`. */
function isRows(key: string, member: unknown): boolean {
  return (
    key === 'rows' && Array.isArray(member) && member.every((each) => !Object.hasOwn(Object(each), 'row'))
  );
}
