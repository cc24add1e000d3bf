/**
 * The version of the SQL functions on the source that belongs to this program (extension/pgtimewarp.control). The folder of the extension
 * is not in every package of the program, so the version stands here too; a unit test compares the two.
 */
export const SQL_FUNCTIONS_VERSION = '0.5';

/** Whether version `a`, digits and dots, comes before `b`. */
export function isEarlierVersion(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => text.split('.').map((part) => Number.parseInt(part, 10)));
  for (let place = 0; place < Math.max(left!.length, right!.length); place++) {
    const difference = (left![place] ?? 0) - (right![place] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
