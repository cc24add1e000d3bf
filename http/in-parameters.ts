/**
 * What an error of the core says, for callers over HTTP: the core names options as the command line has them, and they have
 * parameters. Commands in backticks stay as they are.
 */

/** What is another thing over HTTP than its name with underscores. */
const OTHERWISE: readonly (readonly [option: RegExp, parameter: string])[] = [
  [/^See `pgtimewarp COMMAND --help`\.$/, 'See /openapi.json.'],
  [/--pk region=eu --pk id=1/, 'pk={"region":"eu","id":"1"}'],
  // the API has no rows to leave out: a page is complete, or a problem
  [/, or leave such rows out \(--unknown skip\)/, ''],
];

const OPTION = /(`[^`]*`)|--([a-z]+(?:-[a-z]+)*)/g;

export function inParameters(text: string): string {
  let told = text;
  for (const [option, parameter] of OTHERWISE) told = told.replace(option, parameter);
  return told.replaceAll(OPTION, (all, command?: string, name?: string) =>
    command === undefined && name !== undefined ? name.replaceAll('-', '_') : all,
  );
}
