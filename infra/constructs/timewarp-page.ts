/** The page for browsers, and how people sign in to it. */
import { Token } from 'aws-cdk-lib';
import type { TimewarpAuthorization } from './timewarp-authorization.ts';

/** The page that the API gives to browsers. People sign in at the issuer of `TimewarpAuthorization.jwt`. */
export interface TimewarpPageOptions {
  /** The issuer's name for the page: a public client (no secret) with the redirect address `URL/ui/signed-in`. */
  readonly clientId: string;
  /**
   * What is asked of the issuer. `openid` must be among them.
   * @default ['openid']
   */
  readonly scopes?: string[];
  /**
   * The scheme and host at which the issuer gives tokens. Browsers let the page ask it and the issuer, and no other server.
   * @default those of the issuer
   */
  readonly tokenOrigin?: string;
}

/** The text of the variable by which the function gives the page. Throws an Error that names what is wrong. */
export function signInVariable(page: TimewarpPageOptions, authorization: TimewarpAuthorization): string {
  const issuer = authorization._issuer;
  if (issuer === null) throw new Error(`There is no page: ${NO_PAGE_WITH_IAM}`);
  const { clientId, scopes = ['openid'], tokenOrigin } = page;
  const wrong = wrongPage({ scopes, tokenOrigin });
  if (wrong !== null) throw new Error(`There is no page: its ${wrong.join(' ')}.`);
  // what a deployment knows only later is a text, and so may be inside of one
  return JSON.stringify({ issuer, clientId, scopes, tokenOrigin });
}

export const NO_PAGE_WITH_IAM =
  'with IAM authorization requests are signed with AWS credentials, which a browser does not have; use a JWT issuer.';

/** The option and its mistake; null: there is none. */
export function wrongPage({
  scopes,
  tokenOrigin,
}: Pick<TimewarpPageOptions, 'scopes' | 'tokenOrigin'>): readonly [option: string, mistake: string] | null {
  if (scopes !== undefined && !scopes.includes('openid')) return ['scopes', 'must contain openid'];
  const isOrigin =
    tokenOrigin === undefined ||
    Token.isUnresolved(tokenOrigin) ||
    (URL.canParse(tokenOrigin) && new URL(tokenOrigin).origin === tokenOrigin);
  return isOrigin ? null : ['tokenOrigin', 'must be an origin: scheme, host and port'];
}
