/**
 * Authorization code with PKCE for a page without a secret (RFC 6749 section 4.1, RFC 7636), with the addresses and the checks of
 * OpenID Connect. The API checks the signature of its token; the page checks that an answer belongs to its own request.
 */

/** What the server says about signing in. */
export interface SignInSettings {
  readonly issuer: string;
  readonly client_id: string;
  readonly scopes: readonly string[];
}

/** What a request needs to recognise its answer. */
export interface Attempt {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface Tokens {
  readonly access: string;
  readonly refresh: string | null;
  readonly id: string | null;
}

/** OpenID Connect Discovery 1.0 section 3, as far as it is used. */
interface Issuer {
  readonly issuer: string;
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly end_session_endpoint?: string;
  readonly authorization_response_iss_parameter_supported?: boolean;
}

/** The page, as the issuer knows it. */
export interface Client {
  readonly settings: SignInSettings;
  readonly at: Issuer;
}

/** Signing in went wrong; the message is for people. */
export class SignInFailed extends Error {}

/**
 * Asks the server how people sign in, and the issuer for its addresses.
 * @param document of the server
 */
export async function discover(document: string): Promise<Client> {
  const settings = (await asked(new URL(document, location.href).href)).document as unknown as SignInSettings;
  return { settings, at: await addressesOf(settings) };
}

async function addressesOf({ issuer }: SignInSettings): Promise<Issuer> {
  const place = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const { isOk, document } = await asked(place);
  const found = document as Partial<Issuer>;
  if (!isOk || !found.authorization_endpoint || !found.token_endpoint)
    throw new SignInFailed(`${issuer} does not say where people sign in.`);
  // section 4.3: otherwise it speaks for another issuer
  if (found.issuer !== issuer) throw new SignInFailed(`${issuer} calls itself ${found.issuer}.`);
  return found as Issuer;
}

export function newAttempt(): Attempt {
  return { state: randomText(), nonce: randomText(), verifier: randomText() };
}

/** The address at which somebody signs in. */
export async function signInAddress(
  { at, settings: { client_id, scopes } }: Client,
  { state, nonce, verifier }: Attempt,
  redirect: string,
): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  return addressWith(at.authorization_endpoint, {
    response_type: 'code',
    client_id,
    redirect_uri: redirect,
    scope: scopes.join(' '),
    state,
    nonce,
    code_challenge: base64Url(new Uint8Array(digest)),
    code_challenge_method: 'S256',
  });
}

/** The code of an answer, if it is the answer to the attempt. */
export function codeOf(answer: URLSearchParams, { state }: Attempt, { at }: Client): string {
  if (answer.get('state') !== state) throw notOurs();
  // RFC 9207: otherwise it is the answer of another issuer
  const says = answer.get('iss');
  const isOther =
    says === null ? at.authorization_response_iss_parameter_supported === true : says !== at.issuer;
  if (isOther) throw notOurs();
  const error = answer.get('error');
  if (error !== null)
    throw new SignInFailed(`The issuer refuses: ${answer.get('error_description') ?? error}`);
  const code = answer.get('code');
  if (code === null) throw notOurs();
  return code;
}

/** Exchanges a code for tokens. */
export async function exchange(
  { at, settings: { client_id } }: Client,
  {
    code,
    verifier,
    nonce,
    redirect,
  }: Pick<Attempt, 'verifier' | 'nonce'> & { code: string; redirect: string },
): Promise<Tokens> {
  const tokens = await tokensFrom(at, {
    grant_type: 'authorization_code',
    client_id,
    code,
    redirect_uri: redirect,
    code_verifier: verifier,
  });
  requireOurs(tokens.id, { issuer: at.issuer, client: client_id, nonce });
  return tokens;
}

/** Gets new tokens without asking anybody. The issuer may leave out what stays as it was. */
export async function refreshed({ at, settings: { client_id } }: Client, former: Tokens): Promise<Tokens> {
  const tokens = await tokensFrom(at, {
    grant_type: 'refresh_token',
    client_id,
    refresh_token: former.refresh!,
  });
  return { ...tokens, refresh: tokens.refresh ?? former.refresh, id: tokens.id ?? former.id };
}

/** The address at which the issuer ends its own session; null: it has none. */
export function signOutAddress(
  { at, settings: { client_id } }: Client,
  { id }: Tokens,
  redirect: string,
): string | null {
  if (at.end_session_endpoint === undefined) return null;
  return addressWith(at.end_session_endpoint, {
    client_id,
    ...(id === null ? {} : { id_token_hint: id }),
    post_logout_redirect_uri: redirect,
    logout_uri: redirect, // Amazon Cognito calls it so
  });
}

/** OpenID Connect Core 1.0 section 3.1.3.7; TLS to the issuer is the proof of who wrote it. */
function requireOurs(id: string | null, wanted: { issuer: string; client: string; nonce: string }): void {
  const claims = claimsOf(id ?? '');
  const audience = [claims.aud].flat();
  if (claims.iss !== wanted.issuer || !audience.includes(wanted.client) || claims.nonce !== wanted.nonce)
    throw notOurs();
}

function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const text = atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(text) as Record<string, unknown>; // the compared claims are ASCII
  } catch {
    return {};
  }
}

async function tokensFrom(
  { token_endpoint }: Issuer,
  form: Readonly<Record<string, string>>,
): Promise<Tokens> {
  const { isOk, document } = await asked(token_endpoint, new URLSearchParams(form));
  const { access_token, refresh_token, id_token, error, error_description } = document;
  if (!isOk || access_token === undefined)
    throw new SignInFailed(
      `The issuer gives no token: ${error_description ?? error ?? 'it does not say why'}`,
    );
  return { access: access_token, refresh: refresh_token ?? null, id: id_token ?? null };
}

async function asked(
  place: string,
  body?: URLSearchParams,
): Promise<{ isOk: boolean; document: Readonly<Record<string, string | undefined>> }> {
  try {
    const response = await fetch(place, {
      headers: { accept: 'application/json' },
      credentials: 'omit',
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
    return { isOk: response.ok, document: (await response.json()) as Record<string, string | undefined> };
  } catch {
    throw new SignInFailed(`${new URL(place).origin} does not answer.`);
  }
}

function addressWith(place: string, parameters: Readonly<Record<string, string>>): string {
  const address = new URL(place);
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  return address.href;
}

export const notOurs = (): SignInFailed =>
  new SignInFailed('The answer of the issuer does not belong to a sign-in of this tab.');

/** 256 bits (RFC 7636 section 7.1). */
const randomText = (): string => base64Url(crypto.getRandomValues(new Uint8Array(32)));

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
