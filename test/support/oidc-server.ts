/**
 * An issuer of OpenID Connect: discovery, authorization code with PKCE (RFC 7636), refresh tokens, the end of a session. It signs
 * everybody in at once. Its token endpoint is at another origin than the issuer, as with Amazon Cognito.
 */
import { createHash, createPublicKey, generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a test may change while it runs. */
export interface OidcBehaviour {
  /** How far the clock of everybody is ahead: tokens that were given before have expired then. */
  aheadSeconds: number;
  givesRefreshTokens: boolean;
  /** What is wrong with the next answers. */
  spoils: 'state' | 'nonce' | 'issuer' | 'audience' | 'access' | null;
}

export interface OidcServer extends AsyncDisposable {
  readonly issuer: string;
  readonly tokenOrigin: string;
  readonly behaviour: OidcBehaviour;
  /** How many times each endpoint was asked. */
  readonly asked: Record<'authorize' | 'code' | 'refresh' | 'end', number>;
  /** The query of the last request to sign in. */
  lastRequest(): URLSearchParams;
  /** The claims of a token that is valid now; null: it is not. */
  verify(token: string, audience: readonly string[]): Record<string, unknown> | null;
}

export const CLIENT = 'page-of-pgtimewarp';
export const AUDIENCE = 'history';
const LIFETIME_SECONDS = 3600;

interface Grant {
  readonly challenge: string;
  readonly redirect: string;
  readonly nonce: string;
}

/** @param redirects the only addresses to which it sends people back; asked when somebody signs in */
export async function startOidcServer(redirects: () => readonly string[]): Promise<OidcServer> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const publicKey = createPublicKey(privateKey);
  const behaviour: OidcBehaviour = { aheadSeconds: 0, givesRefreshTokens: false, spoils: null };
  const asked = { authorize: 0, code: 0, refresh: 0, end: 0 };
  const grants = new Map<string, Grant>();
  const refreshTokens = new Set<string>();
  let last = new URLSearchParams();
  let [issuer, tokenOrigin] = ['', ''];
  const now = (): number => Math.floor(Date.now() / 1000) + behaviour.aheadSeconds;

  const jwt = (claims: object): string => {
    const parts = [
      { alg: 'RS256', typ: 'JWT' },
      { iss: issuer, iat: now(), exp: now() + LIFETIME_SECONDS, ...claims },
    ];
    const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  };

  const tokens = (nonce: string | null): object => {
    const refresh = randomUUID();
    if (behaviour.givesRefreshTokens) refreshTokens.add(refresh);
    return {
      token_type: 'Bearer',
      expires_in: LIFETIME_SECONDS,
      access_token: jwt({ sub: 'zoë', aud: behaviour.spoils === 'audience' ? 'other' : AUDIENCE }),
      ...(nonce === null
        ? {}
        : {
            id_token: jwt({ sub: 'zoë', aud: CLIENT, nonce: behaviour.spoils === 'nonce' ? 'other' : nonce }),
          }),
      ...(behaviour.givesRefreshTokens ? { refresh_token: refresh } : {}),
    };
  };

  const authorize = (query: URLSearchParams, response: ServerResponse): void => {
    asked.authorize++;
    last = query;
    const redirect = query.get('redirect_uri') ?? '';
    const isRight =
      query.get('client_id') === CLIENT &&
      query.get('response_type') === 'code' &&
      query.get('code_challenge_method') === 'S256' &&
      redirects().includes(redirect);
    if (!isRight) return void response.writeHead(400).end('This request is wrong.');
    const code = randomUUID();
    grants.set(code, { challenge: query.get('code_challenge')!, redirect, nonce: query.get('nonce')! });
    const back = new URL(redirect);
    back.searchParams.set('state', behaviour.spoils === 'state' ? 'other' : query.get('state')!);
    back.searchParams.set('iss', behaviour.spoils === 'issuer' ? 'https://other.example' : issuer);
    if (behaviour.spoils === 'access') {
      back.searchParams.set('error', 'access_denied');
      back.searchParams.set('error_description', 'You may not see <b>this</b>.');
    } else back.searchParams.set('code', code);
    response.writeHead(302, { location: back.href }).end();
  };

  const token = (form: URLSearchParams): object | null => {
    if (form.get('client_id') !== CLIENT) return null;
    if (form.get('grant_type') === 'refresh_token') {
      asked.refresh++;
      return refreshTokens.delete(form.get('refresh_token') ?? '') ? tokens(null) : null; // each counts once
    }
    asked.code++;
    const code = form.get('code') ?? '';
    const grant = grants.get(code);
    grants.delete(code);
    const digest = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const isOurs = grant?.challenge === digest && grant.redirect === form.get('redirect_uri');
    return isOurs ? tokens(grant.nonce) : null;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url!, issuer);
    const json = (status: number, document: object): void =>
      void response
        .writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': '*' })
        .end(JSON.stringify(document));
    if (pathname === '/pool/.well-known/openid-configuration')
      return json(200, {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${tokenOrigin}/token`,
        end_session_endpoint: `${issuer}/end`,
        authorization_response_iss_parameter_supported: true,
      });
    if (pathname === '/pool/authorize') return authorize(searchParams, response);
    if (pathname === '/token' && request.method === 'POST') {
      const given = token(new URLSearchParams(await text(request)));
      return given === null ? json(400, { error: 'invalid_grant' }) : json(200, given);
    }
    if (pathname === '/pool/end') {
      asked.end++;
      const back = searchParams.get('post_logout_redirect_uri')!;
      return void response.writeHead(302, { location: back }).end();
    }
    response.writeHead(404).end();
  };

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  issuer = `http://127.0.0.1:${port}/pool`;
  tokenOrigin = `http://localhost:${port}`;
  return {
    issuer,
    tokenOrigin,
    behaviour,
    asked,
    lastRequest: () => last,
    verify: (given, audience) => {
      const [head = '', body = '', signature = ''] = given.split('.');
      const signed = Buffer.from(`${head}.${body}`);
      if (!verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'))) return null;
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
      const isValid =
        claims.iss === issuer && audience.includes(claims.aud as string) && (claims.exp as number) > now();
      return isValid ? claims : null;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
