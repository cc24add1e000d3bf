/** The HTTP API in both deployed forms: over real HTTP from `serve`, and through the function's handler. */
import { handler } from '../../lambda/api/handler.ts';
import { apiEvent, type HttpAnswer } from './api-event.ts';
import { type AwsStub, startAwsStub } from './aws-stub.ts';
import { type ServeProcess, startServe } from './serve.ts';

export interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export type Ask = (target: string, options?: AskOptions) => Promise<Seen>;

export const API_WAYS = ['serve', 'handler'] as const;
export type ApiWay = (typeof API_WAYS)[number];

export interface ApiWays extends AsyncDisposable {
  readonly server: ServeProcess;
  readonly serve: Ask;
  readonly handler: Ask;
}

export const TOKEN = 'a-long-token';

/** One stub for all: the handler's client of Secrets Manager keeps its first address. */
let stub: { readonly aws: AwsStub; users: number } | null = null;

/** Starts `serve` with {@link TOKEN}, and gives the handler its secret. */
export async function apiWays(
  node: { readonly storeUrl: string; readonly env: Readonly<Record<string, string>> },
  env: Readonly<Record<string, string>> = {},
): Promise<ApiWays> {
  const server = await startServe(['--every', '1h'], { ...node.env, ...env, PGTIMEWARP_TOKEN: TOKEN });
  stub ??= { aws: await startAwsStub(), users: 0 };
  const { aws } = stub;
  stub.users++;
  const arn = `arn:aws:secretsmanager:eu-central-1:123456789012:secret:reader-${aws.secrets.size}`;
  aws.secrets.set(arn, JSON.stringify({ url: node.storeUrl }));
  Object.assign(process.env, aws.env);
  return {
    server,
    serve: async (target, { method = 'GET', headers = {}, body, signal } = {}) => {
      const response = await fetch(server.url + target, {
        method,
        headers: { authorization: `Bearer ${TOKEN}`, ...headers },
        ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
        ...(signal === undefined ? {} : { signal }),
      });
      return { status: response.status, headers: response.headers, body: await response.text() };
    },
    handler: async (target, { method = 'GET', headers = {}, body } = {}) => {
      process.env.PGTIMEWARP_STORE_SECRET_ARN = arn; // read for every request
      const event = apiEvent(target, method, headers, body) as Parameters<typeof handler>[0];
      const context = { getRemainingTimeInMillis: () => 29_000 } as never;
      const answer = (await handler(event, context)) as HttpAnswer;
      return { status: answer.statusCode, headers: new Headers(answer.headers), body: answer.body };
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      if (stub !== null && --stub.users === 0) {
        await aws[Symbol.asyncDispose]();
        stub = null;
      }
    },
  };
}
