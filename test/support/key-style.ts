/** One style for the names of fields: small letters and underscores. What users named themselves is theirs. */

/** Below these are names of columns, or what applications said. */
const OF_USERS: ReadonlySet<string> = new Set([
  'row',
  'before',
  'after',
  'pk',
  'changed',
  'context',
  'row_data',
]);

/** The paths of fields that are written in another way. */
export function otherKeys(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => otherKeys(each, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [
    ...(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(key) ? [] : [`${path}.${key}`]),
    ...(OF_USERS.has(key) ? [] : otherKeys(member, `${path}.${key}`)),
  ]);
}
