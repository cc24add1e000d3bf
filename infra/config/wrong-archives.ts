/** What is wrong with the archives of tables. */
import type { z } from 'zod';
import type { ObservedTable } from '../constructs/observed-node.ts';

interface Configuration {
  readonly nodes: readonly { readonly tables: readonly Pick<ObservedTable, 'archive' | 'retention'>[] }[];
  readonly archive: object | null;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** One issue for each mistake, each with its field. */
export function wrongArchives({ nodes, archive: place }: Configuration): z.core.$ZodRawIssue[] {
  return nodes.flatMap(({ tables }, node) =>
    tables.flatMap(({ archive, retention }, table) => {
      if (archive === null) return [];
      const path = ['nodes', node, 'tables', table, 'archive'];
      const refuse = (message: string): z.core.$ZodRawIssue[] => [
        { code: 'custom', path, message, input: archive },
      ];
      if (place === null) return refuse('needs the archive of the deployment (archive.bucket)');
      if (retention === null || seconds(archive.hot) < seconds(retention)) return [];
      return refuse(`must be hot for a shorter time than the retention (${retention})`);
    }),
  );
}

/** Of a text such as 90d. */
function seconds(duration: string): number {
  return Number.parseInt(duration, 10) * SECONDS[duration.at(-1)!]!;
}
