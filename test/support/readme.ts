/** The README as a script: its fenced blocks in order, each with the words after its language, and the outputs to compare. */

export interface Block {
  readonly language: string;
  /** The words after the language: `pgoutput`, `if-setting=name`. */
  readonly marks: readonly string[];
  readonly text: string;
  /** The position of `text` in the document. */
  readonly start: number;
}

export interface Step {
  readonly command: string;
  readonly output: string;
}

export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\S+)(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    marks: match[2]!.trim().split(/\s+/).filter(Boolean),
    text: match[3]!,
    start: match.index + match[0].indexOf('\n') + 1,
  }));
}

/** `$ command` and the lines until the next one. */
export function stepsOf(block: Block): Step[] {
  return block.text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n');
      return { command: part.slice(0, end), output: part.slice(end + 1) };
    });
}

/** Output without what differs from run to run: times, positions, transactions, ports, versions, the plugin. */
export function normalise(output: string): string {
  return output
    .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:\d\d)/g, 'TIME')
    .replace(/\b[0-9A-F]{1,8}\/[0-9A-F]{1,8}\b/g, 'LSN')
    .replace(/transaction \d+/g, 'transaction N')
    .replace(/^( *TIME +)\d+(?= +LSN)/gm, '$1N')
    .replace(/ {2}\d{3,}(?= {2}\{| *$)/gm, '  N')
    .replace(/PostgreSQL [\d.]+, port \d+, (wal2json|pgoutput)/, 'PostgreSQL V, port P, PLUGIN')
    .replace(/\b\d+ s, \d+ (bytes|kB) behind/, 'BEHIND')
    .replace(/keeps \d+ (bytes|kB|MB) of WAL/, 'keeps WAL')
    .replace(/\b(wal2json|pgoutput)\b/g, 'PLUGIN')
    .replace(/ +$/gm, '')
    .trim();
}
