/**
 * Requests in the form in which an API Gateway HTTP API passes them to a function (Developer Guide, payload format version
 * 2.0).
 */
export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const DOMAIN = 'abc.execute-api.eu-central-1.amazonaws.com';

/** @param target path and query as in a URL: the path arrives decoded, the query does not */
export function apiEvent(
  target: string,
  method = 'GET',
  headers: Readonly<Record<string, string>> = {},
  body?: string | Uint8Array,
): object {
  const [encoded = '', query = ''] = target.split('?');
  const path = lenientDecode(encoded);
  return {
    version: '2.0',
    routeKey: 'ANY /{proxy+}',
    rawPath: path,
    rawQueryString: query,
    headers: { accept: '*/*', host: DOMAIN, ...headers },
    requestContext: {
      accountId: '123456789012',
      apiId: 'abc',
      domainName: DOMAIN,
      domainPrefix: 'abc',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' },
      requestId: 'id',
      routeKey: 'ANY /{proxy+}',
      stage: '$default',
      time: '12/Mar/2026:19:03:58 +0000',
      timeEpoch: 1_773_342_238_000,
    },
    // a body that is not text arrives as base64
    ...(body === undefined
      ? {}
      : { body: typeof body === 'string' ? body : Buffer.from(body).toString('base64') }),
    isBase64Encoded: body !== undefined && typeof body !== 'string',
  };
}

function lenientDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
