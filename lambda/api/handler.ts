/** The HTTP API behind an API Gateway HTTP API (payload format 2.0). Its login can only read. */
import type { APIGatewayProxyEventV2, APIGatewayProxyResultV2, Context } from 'aws-lambda';
import { handle, type LambdaContext, type LambdaEvent } from 'hono/aws-lambda';
import type { Queryable } from '../../core/pg/connection.ts';
import { fromDatabaseError } from '../../core/pg/database-error.ts';
import { createApp } from '../../http/app.ts';
import { Grants } from '../../http/grants.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { createLogger, errorFields } from '../shared/observability.ts';
import { Sessions } from '../shared/sessions.ts';

const logger = createLogger('api');
const sessions = new Sessions(new Credentials());
const STATEMENT_TIMEOUT_MS = 20_000;
const AGAIN_WITHIN_MS = 5_000;

const app = createApp({
  withStore: useStore,
  report: (error, id) => logger.error('request failed', { instance: id, ...errorFields(error) }),
  pathAsSent: (context) => (context.env as Surroundings).event.rawPath,
  grantsOf: (context) => grantsOf(context.env as Surroundings),
  timeLeftMs: (context) => (context.env as Surroundings).lambdaContext.getRemainingTimeInMillis(),
});
const answer = handle(app);

interface Surroundings {
  readonly event: APIGatewayProxyEventV2;
  readonly lambdaContext: Context;
}

/**
 * Where the deployment names a claim, it limits every caller; one without the claim may ask about nothing. API Gateway has
 * verified the token (Developer Guide, "Control access to HTTP APIs with JWT authorizers").
 */
function grantsOf({ event }: Surroundings): Grants | null {
  const { tablesClaim } = readConfiguration(['tablesClaim']);
  if (tablesClaim === null) return null;
  const { authorizer } = event.requestContext as {
    authorizer?: { jwt?: { claims?: Record<string, unknown> } };
  };
  return new Grants(authorizer?.jwt?.claims?.[tablesClaim]);
}

export async function handler(
  event: APIGatewayProxyEventV2,
  context: Context,
): Promise<APIGatewayProxyResultV2> {
  logger.addContext(context);
  const response = await answer(
    encoded(event) as unknown as LambdaEvent,
    context as unknown as LambdaContext,
  );
  return response as APIGatewayProxyResultV2;
}

/**
 * HTTP APIs hand the path over percent-decoded, while the app expects it as it came; and a body also where it means
 * nothing (RFC 9110 section 9.3.1), which no Request can be made of.
 */
function encoded(event: APIGatewayProxyEventV2): APIGatewayProxyEventV2 {
  const rawPath = event.rawPath.split('/').map(encodeURIComponent).join('/');
  const { body, ...rest } = event;
  const means = body !== undefined && !['GET', 'HEAD'].includes(event.requestContext.http.method);
  return { ...rest, rawPath, ...(means ? { body } : {}) };
}

/** A session that broke while it was asked is no answer yet: reading again does no harm. */
async function useStore<T>(ask: (store: Queryable) => Promise<T>): Promise<T> {
  const { storeSecretArn } = readConfiguration(['storeSecretArn']);
  const reference = {
    side: 'store',
    node: 'api',
    secretArn: storeSecretArn,
    readOnly: true,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  } as const;
  const started = performance.now();
  try {
    return await sessions.use(reference, ask);
  } catch (thrown) {
    const error = fromDatabaseError(thrown, 'store');
    const isLate = performance.now() - started > AGAIN_WITHIN_MS; // silent, not broken: the caller does not wait twice
    if (error.code !== 'STORE_UNREACHABLE' || isLate) throw error;
    return await sessions.use(reference, ask);
  }
}
