/**
 * The few calls to AWS that the functions make, answered on this machine: Secrets Manager's GetSecretValue, SNS's Publish, and
 * the URL that receives the answers of custom resources for CloudFormation.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AwsStub extends AsyncDisposable {
  readonly responseUrl: string;
  /** Secret texts by ARN: change one to rotate it. */
  readonly secrets: Map<string, string>;
  readonly secretReads: string[];
  readonly published: URLSearchParams[];
  readonly cloudFormation: Record<string, string>[];
  /** The environment that makes the SDK use this stub. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startAwsStub(): Promise<AwsStub> {
  const secrets = new Map<string, string>();
  const secretReads: string[] = [];
  const published: URLSearchParams[] = [];
  const cloudFormation: Record<string, string>[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    if (request.method === 'PUT') {
      cloudFormation.push(JSON.parse(body) as Record<string, string>);
      return response.end();
    }
    if (request.headers['x-amz-target'] === 'secretsmanager.GetSecretValue') {
      const { SecretId } = JSON.parse(body) as { SecretId: string };
      secretReads.push(SecretId);
      const found = secrets.get(SecretId);
      response.writeHead(found === undefined ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' });
      return response.end(
        JSON.stringify(
          found === undefined
            ? { __type: 'ResourceNotFoundException', message: 'no such secret' }
            : { ARN: SecretId, Name: SecretId, SecretString: found },
        ),
      );
    }
    published.push(new URLSearchParams(body));
    response.writeHead(200, { 'content-type': 'text/xml' });
    response.end(
      '<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    responseUrl: `${url}/cloudformation`,
    secrets,
    secretReads,
    published,
    cloudFormation,
    env: {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: url,
      AWS_ENDPOINT_URL_SNS: url,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function text(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  return body;
}
