/**
 * An HTTP API of API Gateway on this machine: the routes and the authorizer are those of a synthesised deployment, and the function is
 * its bundle. What API Gateway does with a request is written from its Developer Guide: the most specific route wins, a JWT
 * authorizer answers 401 itself, and the function gets the path decoded (payload format version 2.0).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { apiEvent, type HttpAnswer } from './api-event.ts';
import type { OidcServer } from './oidc-server.ts';
import { startLambda } from './run-lambda.ts';
import { bundleFolder, type Synthesized } from './synthesize.ts';

export interface ApiGateway extends AsyncDisposable {
  readonly url: string;
  /** Routes that answer without a token. */
  readonly openRoutes: readonly string[];
}

interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
}
interface Route {
  readonly key: string;
  readonly isOpen: boolean;
}

/** @param env of the function, besides the variables of the template that name no secrets */
export async function startApiGateway(
  deployment: Synthesized,
  oidc: OidcServer,
  env: Readonly<Record<string, string>>,
): Promise<ApiGateway> {
  const routes = resources(deployment, 'AWS::ApiGatewayV2::Route').map(({ Properties }) => ({
    key: Properties.RouteKey as string,
    isOpen: Properties.AuthorizationType === 'NONE',
  }));
  const [authorizer] = resources(deployment, 'AWS::ApiGatewayV2::Authorizer');
  const { Issuer, Audience } = authorizer!.Properties.JwtConfiguration as {
    Issuer: string;
    Audience: string[];
  };
  if (Issuer !== oidc.issuer) throw new Error(`the deployment trusts ${Issuer}`);
  const lambda = await startLambda(bundleFolder(deployment, 'Api'), { ...variables(deployment), ...env });
  let before: Promise<unknown> = Promise.resolve();
  /** An execution environment has one request at a time. */
  const invoke = (event: object): Promise<HttpAnswer & { isBase64Encoded?: boolean }> => {
    const answer = before.then(() => lambda.invoke(event)) as Promise<HttpAnswer>;
    before = answer.catch(() => {});
    return answer;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/' } = request;
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const event = apiEvent(url, method, headers, (await text(request)) || undefined) as {
      rawPath: string;
      requestContext: object;
    };
    const own = (status: number, message: string): void =>
      void response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify({ message }));
    const route = routeOf(routes, method, event.rawPath);
    if (route === undefined) return own(404, 'Not Found');
    const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1];
    const claims = route.isOpen || token === undefined ? null : oidc.verify(token, Audience);
    if (!route.isOpen && claims === null) return own(401, 'Unauthorized');
    const {
      statusCode,
      headers: given,
      body,
      isBase64Encoded,
    } = await invoke({
      ...event,
      routeKey: route.key,
      requestContext: {
        ...event.requestContext,
        routeKey: route.key,
        ...(claims === null ? {} : { authorizer: { jwt: { claims, scopes: null } } }),
      },
    });
    response.writeHead(statusCode, given);
    response.end(isBase64Encoded ? Buffer.from(body, 'base64') : body);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      console.error(error, lambda.output());
      response.writeHead(500).end('{"message":"Internal Server Error"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    openRoutes: routes.filter(({ isOpen }) => isOpen).map(({ key }) => key),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await lambda[Symbol.asyncDispose]();
    },
  };
}

/** A whole path before one with a variable, the longer one first, a method before ANY. */
function routeOf(routes: readonly Route[], method: string, path: string): Route | undefined {
  const greedy = '{proxy+}';
  const weight = ({ key }: Route): number =>
    (key.includes(greedy) ? key.length : 1000) + (key.startsWith('ANY ') ? 0 : 1);
  return routes
    .filter(({ key }) => {
      const [verb, pattern = ''] = key.split(' ');
      const prefix = pattern.replace(greedy, '');
      const fits = pattern.includes(greedy) ? path.startsWith(prefix) && path !== prefix : path === pattern;
      return fits && (verb === 'ANY' || verb === method);
    })
    .toSorted((a, b) => weight(b) - weight(a))[0];
}

function resources({ assembly, stacks }: Synthesized, type: string): Resource[] {
  return [stacks.httpApi!, stacks.app]
    .map((stack) => assembly.getStackByName(stack.stackName).template as { Resources: object })
    .flatMap(({ Resources }) => Object.values(Resources) as Resource[])
    .filter(({ Type }) => Type === type);
}

/** The variables of the function that are plain texts in the template. */
function variables(deployment: Synthesized): Record<string, string> {
  const description = 'Answers what rows were, and how they changed';
  const found = resources(deployment, 'AWS::Lambda::Function').find(
    ({ Properties }) => Properties.Description === description,
  );
  const { Variables } = found!.Properties.Environment as { Variables: Record<string, unknown> };
  return Object.fromEntries(
    Object.entries(Variables).filter((each): each is [string, string] => typeof each[1] === 'string'),
  );
}
