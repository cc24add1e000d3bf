/**
 * One environment of the poller: serves its part of the nodes of a store, with the sessions of the function, each time that its
 * parent says `run`. Prints a line of JSON for each turn.
 */
import { createInterface } from 'node:readline';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { pollWith } from '../core/poll.ts';
import { Credentials } from '../lambda/shared/credentials.ts';
import { servedNodes, someAtATime } from '../lambda/shared/served-nodes.ts';
import { Sessions } from '../lambda/shared/sessions.ts';

/** What a turn took. */
export interface Turn {
  readonly runs: readonly number[];
  readonly cpuMs: number;
  readonly failed: readonly string[];
}

const [storeUrl = '', sourceUrlsText = '', part = '0', of = '1', atOnce = '4'] = process.argv.slice(2);
const sourceUrls = JSON.parse(sourceUrlsText) as string[];
const STORE = 'store';
const PREFIX = 'sources/';

/** The node `n17` is the database `n17` of the server that its number tells. */
function urlOf(secret: string): string {
  if (secret === STORE) return storeUrl;
  const node = secret.slice(PREFIX.length);
  const url = new URL(sourceUrls[Number.parseInt(node.slice(1), 10) % sourceUrls.length]!);
  url.pathname = `/${node}`;
  return url.href;
}

const secrets = {
  send: ({ input }: { input: { SecretId: string } }) =>
    Promise.resolve({ SecretString: JSON.stringify({ url: urlOf(input.SecretId) }) }),
} as unknown as SecretsManagerClient;
const sessions = new Sessions(new Credentials(secrets));
const configuration = { storeSecretArn: STORE, sourceSecretArns: {}, sourceSecretPrefix: PREFIX };

async function turn(): Promise<Turn> {
  const before = process.cpuUsage();
  const event = { part: Number.parseInt(part, 10), of: Number.parseInt(of, 10) };
  const nodes = await servedNodes(event, configuration, sessions);
  const failed: string[] = [];
  const lanes = { atOnce: Number.parseInt(atOnce, 10), mayBegin: () => true };
  const runs = await someAtATime(nodes, lanes, async (node) => {
    const start = performance.now();
    await sessions
      .use({ side: 'store', node, secretArn: STORE }, (store) =>
        sessions.use({ side: 'source', node, secretArn: `${PREFIX}${node}` }, async (source) => {
          const { outcome, caughtUp } = await pollWith({ source, store }, { node, maxSeconds: 50 });
          if (!caughtUp) failed.push(`${node}: ${outcome}`);
        }),
      )
      .catch((error: Error) => failed.push(`${node}: ${error.message}`));
    return performance.now() - start;
  });
  const { user, system } = process.cpuUsage(before);
  return { runs, cpuMs: (user + system) / 1000, failed };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'run') console.log(JSON.stringify(await turn()));
}
process.exit(0);
