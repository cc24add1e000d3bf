/** What the command line changes in its arguments before it parses them. */

/** `rebaseline --node` without a name means the default node of all commands. */
export function nameTheNode(args: readonly string[]): string[] {
  const at = args.lastIndexOf('--node');
  const next = args[at + 1];
  if (!args.includes('rebaseline') || at === -1 || (next !== undefined && !next.startsWith('-')))
    return [...args];
  return [...args.slice(0, at + 1), process.env.PGTIMEWARP_NODE || 'default', ...args.slice(at + 1)];
}
