/**
 * Gives the built page to browsers. It has no data of its own: it asks the API like every other client, so it needs no token. A client
 * that does not ask for HTML gets what it got without a page.
 */
import type { Context } from 'hono';
import { HTTP } from './http-status.ts';
import { respond } from './problem.ts';

/** The built files by their path, such as `/assets/main-1A2B3C.js`; `/index.html` is the page itself, `/docs.html` what `/docs` shows. */
export type PageFiles = ReadonlyMap<string, { readonly text: string; readonly type: string }>;

/** How people sign in. It is public: a browser learns it before anybody has signed in. */
export interface SignIn {
  /** OpenID Connect Discovery 1.0 section 4: its address leads to all others. */
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Where the issuer gives tokens: not all of them do at their own address. */
  readonly tokenOrigin: string;
}

export interface Page {
  readonly files: PageFiles;
  /** Without it the page asks for a token to be typed, if the server wants one. */
  readonly signIn?: SignIn;
}

/** Everything comes from this server; nothing inline, no plug-ins, no frames. */
const POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
/** The name of an asset has a hash of its content. */
const HASHED = /-[0-9A-Z]{8}\.\w+$/;
const FOR_A_YEAR = 'public, max-age=31536000, immutable';
/** The document that tells the page how people sign in; the page has it only where they do. */
const SIGN_IN = '/assets/sign-in.json';

/** The response if the request is for the page; null: it is for the API. */
export function pageResponse({ req }: Context, { files, signIn }: Page): Response | null {
  if (req.method !== 'GET' && req.method !== 'HEAD') return null;
  const policy = policyOf(signIn);
  if (req.path === SIGN_IN && signIn !== undefined)
    return fileResponse({ text: signInText(signIn), type: 'application/json' }, 'no-cache', policy);
  if (req.path.startsWith('/assets/')) {
    const caching = HASHED.test(req.path) ? FOR_A_YEAR : 'no-cache';
    return fileResponse(files.get(req.path), caching, policy);
  }
  if (!wantsHtml(req.header('accept'))) return null;
  if (isAtOrBelow('/docs', req.path)) return fileResponse(files.get(`${req.path}.html`), 'no-cache', policy);
  if (req.path !== '/' && !isAtOrBelow('/ui', req.path)) return null;
  const page = files.get('/index.html');
  return fileResponse(page && signIn ? withSignIn(page) : page, 'no-cache', policy);
}

const isAtOrBelow = (folder: string, path: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

type PageFile = ReturnType<PageFiles['get']>;

function fileResponse(file: PageFile, caching: string, policy: string): Response | null {
  if (file === undefined) return null;
  return respond(HTTP.ok, file.text, {
    'content-security-policy': policy,
    ...HEADERS,
    'content-type': file.type,
    'cache-control': caching,
    vary: 'accept',
  });
}

/** Of other servers, the page may ask the issuer alone. */
function policyOf(signIn: SignIn | undefined): string {
  if (signIn === undefined) return POLICY;
  const others = new Set([new URL(signIn.issuer).origin, signIn.tokenOrigin]);
  return `${POLICY}; connect-src 'self' ${[...others].join(' ')}`;
}

const signInText = ({ issuer, clientId, scopes }: SignIn): string =>
  JSON.stringify({ issuer, client_id: clientId, scopes });

/** The page with the place of the document, so that it asks for one only where there is one. */
function withSignIn({ text, type }: NonNullable<PageFile>): PageFile {
  return { text: text.replace('</head>', `  <meta name="sign-in" content="${SIGN_IN}">\n  </head>`), type };
}

function wantsHtml(accept = ''): boolean {
  return accept.split(',').some((range) => range.split(';', 1)[0]!.trim().toLowerCase() === 'text/html');
}
