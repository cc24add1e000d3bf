/**
 * The databases' part of a deployment, as a custom resource of CloudFormation: schema of the store, logins, nodes, tracked
 * tables. Every request can be repeated. A deployment waits until tables have started, not for their baselines: the
 * schedule goes on with those. Deleting ends what pins WAL on the sources (slots) and keeps the history.
 */
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { deinit } from '../../core/setup/deinit.ts';
import { init } from '../../core/setup/init.ts';
import { migrate } from '../../core/store/migrate.ts';
import { track, untrack } from '../../core/track.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { createLogger, errorFields } from '../shared/observability.ts';
import { type DatabaseReference, Sessions } from '../shared/sessions.ts';
import { ensureLogin } from './logins.ts';
import { type WantedNode, type WantedTable, wantedNodes } from './properties.ts';
import { type Outcome, respond } from './respond.ts';

const logger = createLogger('migrate');
const credentials = new Credentials();
const sessions = new Sessions(credentials);

const RESOURCE = 'pgtimewarp';
/** What a failed creation leaves: its deletion, which CloudFormation asks for next, must not touch nodes of before. */
const NOTHING = 'pgtimewarp-nothing';
/** For the answer to CloudFormation. */
const CLOSING_MS = 20_000;
const VERSION = process.env.PGTIMEWARP_VERSION ?? 'unknown';

export async function handler(event: CloudFormationCustomResourceEvent, context: Context): Promise<void> {
  logger.addContext(context);
  const signal = AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - CLOSING_MS));
  let outcome: Outcome;
  try {
    await act(event, signal);
    outcome = { status: 'SUCCESS', physicalResourceId: RESOURCE };
  } catch (error) {
    const fields = errorFields(error);
    logger.error('deployment failed', fields);
    const reason = `${fields.code}: ${fields.detail} ${fields.remedy ?? ''}`;
    const physicalResourceId = event.RequestType === 'Create' ? NOTHING : event.PhysicalResourceId;
    outcome = { status: 'FAILED', physicalResourceId, reason };
  }
  await respond(event, outcome);
}

async function act(event: CloudFormationCustomResourceEvent, signal: AbortSignal): Promise<void> {
  switch (event.RequestType) {
    case 'Create':
      return bringUp(wantedNodes(event.ResourceProperties), signal);
    case 'Update': {
      const [wanted, before] = [
        wantedNodes(event.ResourceProperties),
        wantedNodes(event.OldResourceProperties),
      ];
      await bringUp(wanted, signal);
      return takeDown(before, wanted);
    }
    case 'Delete':
      if (event.PhysicalResourceId === NOTHING) return;
      return takeDown(wantedNodes(event.ResourceProperties), []);
  }
}

/** Schema and logins, then every node. When it fails, nodes that it made are gone again: nobody would look after them. */
async function bringUp(wanted: readonly WantedNode[], signal: AbortSignal): Promise<void> {
  await prepareStore();
  const made: WantedNode[] = [];
  try {
    for (const node of wanted) {
      const urls = await urlsOf(node);
      const { plugin, slotName } = node;
      const result = await init({ ...urls, plugin, slotName, version: VERSION, signal });
      if (result.created) made.push(node);
      logger.info('node is set up', { node: node.node, created: result.created });
      for (const table of node.tables) await startTracking(urls, table, signal);
    }
  } catch (error) {
    await takeDown(made, []).catch((also) => logger.error('undoing failed', errorFields(also)));
    throw error;
  }
}

async function prepareStore(): Promise<void> {
  const { storeSecretArn, writerSecretArn, readerSecretArn } = readConfiguration([
    'storeSecretArn',
    'writerSecretArn',
    'readerSecretArn',
  ]);
  const store: DatabaseReference = { side: 'store', node: 'migrate', secretArn: storeSecretArn };
  await sessions.use(store, async (owner) => {
    const result = await migrate(owner);
    logger.info('schema is up to date', { from: result.from, to: result.to });
    for (const [arn, role] of [
      [writerSecretArn, 'pgtimewarp_writer'],
      [readerSecretArn, 'pgtimewarp_reader'],
    ] as const) {
      credentials.forget(arn); // the present one: it may just have been rotated
      if (arn !== storeSecretArn) await ensureLogin(owner, await credentials.url(arn), role);
    }
  });
}

type Urls = { readonly node: string; readonly sourceUrl: string; readonly storeUrl: string };

async function startTracking(urls: Urls, table: WantedTable, signal: AbortSignal): Promise<void> {
  const started = new AbortController();
  try {
    await track({
      ...urls,
      table: parseTableName(table.name),
      exclude: table.exclude,
      baseline: table.baseline,
      retention: table.retention,
      signal: AbortSignal.any([signal, started.signal]),
      onProgress: ({ phase }) => {
        if (phase === 'baseline' || phase === 'resolving') started.abort();
      },
    });
    logger.info('table is tracked', { node: urls.node, table: table.name });
  } catch (error) {
    if (!(error instanceof TimewarpError) || error.code !== 'INTERRUPTED') throw error;
    logger.info('table is asked for; later runs go on with it', { node: urls.node, table: table.name });
  }
}

/** Removes nodes and tables that were wanted and are no more. */
async function takeDown(before: readonly WantedNode[], wanted: readonly WantedNode[]): Promise<void> {
  for (const node of before) {
    const urls = await urlsOf(node);
    const stays = wanted.find((each) => each.node === node.node);
    if (stays === undefined) {
      await unlessUnknown(() => deinit({ ...urls, purge: false }));
      logger.info('node is removed', { node: node.node });
      continue;
    }
    const names = new Set(stays.tables.map((table) => table.name));
    for (const { name } of node.tables.filter((table) => !names.has(table.name))) {
      await unlessUnknown(() => untrack({ ...urls, table: parseTableName(name), purge: false }));
      logger.info('table is no longer tracked', { node: node.node, table: name });
    }
  }
}

/** What is not there need not be removed. */
async function unlessUnknown(remove: () => Promise<unknown>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    const gone = ['NODE_UNKNOWN', 'TABLE_NOT_TRACKED', 'SCHEMA_OUTDATED'];
    if (!(error instanceof TimewarpError) || !gone.includes(error.code)) throw error;
  }
}

/** URLs whose credentials hold now: core connects by itself. */
async function urlsOf({ node, sourceSecretArn }: WantedNode): Promise<Urls> {
  const { storeSecretArn } = readConfiguration(['storeSecretArn']);
  await sessions.use({ side: 'source', node, secretArn: sourceSecretArn }, async () => {});
  await sessions.use({ side: 'store', node, secretArn: storeSecretArn }, async () => {});
  return {
    node,
    sourceUrl: await credentials.url(sourceSecretArn),
    storeUrl: await credentials.url(storeSecretArn),
  };
}
