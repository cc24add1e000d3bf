/**
 * The function behind an API Gateway HTTP API (payload format 2.0). Its database login can only read. Questions that need the archive are
 * answered through it if the deployment has one.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { join } from 'node:path';
import type { APIGatewayProxyEventV2, APIGatewayProxyResultV2, Context } from 'aws-lambda';
import { handle, type LambdaContext, type LambdaEvent } from 'hono/aws-lambda';
import type { Queryable } from '../../core/pg/connection.ts';
import { fromDatabaseError } from '../../core/pg/database-error.ts';
import { createApp } from '../../http/app.ts';
import { Grants } from '../../http/grants.ts';
import type { Page } from '../../http/page.ts';
import { readPageFiles } from '../../http/page-files.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { createLogger, errorFields } from '../shared/observability.ts';
import { Sessions } from '../shared/sessions.ts';
import { readArchiveWithin } from './archive-reader.ts';
import { Stores } from './stores.ts';

const logger = createLogger('api');
const sessions = new Sessions(new Credentials());
const STATEMENT_TIMEOUT_MS = 20_000;
const AGAIN_WITHIN_MS = 5_000;
/** Time to end a session by force, and to answer. Reads of the archive end before that (lambda/shared/deadline.ts). */
const ENDING_MS = 3_000;
/** The build puts the page beside the bundle. */
const PAGE = join(import.meta.dirname, 'page');

/** Of the request that is being answered. */
const invocation = new AsyncLocalStorage<{ readonly context: Context; readonly path: string }>();
const stores = new Stores(useStoreOf);
let answer: ReturnType<typeof handle> | undefined;
let page: Page | null = null;

interface Surroundings {
  readonly event: APIGatewayProxyEventV2;
  readonly lambdaContext: Context;
}

function makeAnswer(): NonNullable<typeof answer> {
  const { archiveToRead } = readConfiguration(['archiveToRead']);
  const app = createApp({
    withStore: useStore,
    withEveryStore: useEveryStore,
    // without the right to read the bucket, questions about what is there alone are refused
    ...(archiveToRead === null ? {} : { readArchive: readArchiveWithin({ getRemainingTimeInMillis }) }),
    report: (error, id) => logger.error('request failed', { instance: id, ...errorFields(error) }),
    pathAsSent: (context) => (context.env as Surroundings).event.rawPath,
    grantsOf: (context) => grantsOf(context.env as Surroundings),
    authorize: (_, { req, env }) => req.method === 'OPTIONS' || isKnown(env as Surroundings),
    page: () => (page ??= readPage()),
    timeLeftMs: getRemainingTimeInMillis,
  });
  return handle(app);
}

function getRemainingTimeInMillis(): number {
  return invocation.getStore()!.context.getRemainingTimeInMillis();
}

/** null: the deployment does not give the page. Its files are read once. */
function readPage(): Page | null {
  const { signIn } = readConfiguration(['signIn']);
  return signIn === null ? null : { files: readPageFiles(PAGE), signIn };
}

/**
 * With a page, API Gateway lets requests for its files pass without a token. Such a request must never reach the API, whatever its
 * path turns into: an answer needs the claims of a token that API Gateway has verified.
 */
function isKnown({ event }: Surroundings): boolean {
  return readConfiguration(['signIn']).signIn === null || claimsOf(event) !== undefined;
}

function claimsOf({ requestContext }: APIGatewayProxyEventV2): Record<string, unknown> | undefined {
  const { authorizer } = requestContext as { authorizer?: { jwt?: { claims?: Record<string, unknown> } } };
  return authorizer?.jwt?.claims;
}

/**
 * If the deployment names a claim, the claim limits what each caller may read; a caller without it may read nothing. API Gateway
 * has verified the token before (Developer Guide, "Control access to HTTP APIs with JWT authorizers").
 */
function grantsOf({ event }: Surroundings): Grants | null {
  const { tablesClaim } = readConfiguration(['tablesClaim']);
  if (tablesClaim === null) return null;
  return new Grants(claimsOf(event)?.[tablesClaim]);
}

export async function handler(
  event: APIGatewayProxyEventV2,
  context: Context,
): Promise<APIGatewayProxyResultV2> {
  logger.addContext(context);
  answer ??= makeAnswer();
  const [asked, surroundings] = [
    encoded(event) as unknown as LambdaEvent,
    context as unknown as LambdaContext,
  ];
  const response = await invocation.run({ context, path: event.rawPath }, answer, asked, surroundings);
  return response as APIGatewayProxyResultV2;
}

/**
 * HTTP APIs pass the path percent-decoded, but the app expects it encoded. They also pass a body with GET, where it has no meaning
 * (RFC 9110 section 9.3.1) and a Request must not have one.
 */
function encoded(event: APIGatewayProxyEventV2): APIGatewayProxyEventV2 {
  const rawPath = event.rawPath.split('/').map(encodeURIComponent).join('/');
  const { body, ...rest } = event;
  const means = body !== undefined && !['GET', 'HEAD'].includes(event.requestContext.http.method);
  return { ...rest, rawPath, ...(means ? { body } : {}) };
}

/** Asks the store of the node that the path names. */
async function useStore<T>(ask: (store: Queryable) => Promise<T>): Promise<T> {
  const node = /^\/v1\/nodes\/([^/]+)\//.exec(invocation.getStore()!.path)?.[1];
  const secretArns = storeSecrets();
  return await useStoreOf(node === undefined ? secretArns[0] : await stores.secretOf(node, secretArns), ask);
}

/** Asks all stores of the deployment. */
async function useEveryStore<T>(ask: (store: Queryable) => Promise<T>): Promise<T[]> {
  return await Promise.all(storeSecrets().map((secretArn) => useStoreOf(secretArn, ask)));
}

function storeSecrets(): [string, ...string[]] {
  const { storeSecretArn, otherStoreSecretArns } = readConfiguration([
    'storeSecretArn',
    'otherStoreSecretArns',
  ]);
  return [storeSecretArn, ...otherStoreSecretArns];
}

/**
 * Asks once more if the session broke during the question: reading twice does no harm. What has not ended shortly before the end of the
 * invocation is ended, so that the caller gets an answer.
 */
async function useStoreOf<T>(secretArn: string, ask: (store: Queryable) => Promise<T>): Promise<T> {
  const reference = {
    side: 'store',
    node: 'api',
    secretArn,
    readOnly: true,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  } as const;
  const started = performance.now();
  const end = AbortSignal.timeout(Math.max(0, getRemainingTimeInMillis() - ENDING_MS));
  try {
    return await sessions.use(reference, ask, end);
  } catch (thrown) {
    const error = fromDatabaseError(thrown, 'store');
    const isLate = end.aborted || performance.now() - started > AGAIN_WITHIN_MS; // the session was silent, not broken: the caller must not wait twice
    if (error.code !== 'STORE_UNREACHABLE' || isLate) throw error;
    return await sessions.use(reference, ask, end);
  }
}
