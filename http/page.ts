/**
 * Gives the built page to browsers. It has no data of its own: it asks the API like every other client, so it needs no token. A client
 * that does not ask for HTML gets what it got without a page.
 */
import type { Context } from 'hono';
import { HTTP } from './http-status.ts';
import { respond } from './problem.ts';

/** The built files by their path, such as `/assets/main-1A2B3C.js`; `/index.html` is the page itself. */
export type PageFiles = ReadonlyMap<string, { readonly text: string; readonly type: string }>;

/** Everything comes from this server; nothing inline, no plug-ins, no frames. */
const HEADERS = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
/** The name of an asset has a hash of its content. */
const HASHED = /-[0-9A-Z]{8}\.\w+$/;
const FOR_A_YEAR = 'public, max-age=31536000, immutable';

/** The response if the request is for the page; null: it is for the API. */
export function pageResponse({ req }: Context, files: PageFiles): Response | null {
  if (req.method !== 'GET' && req.method !== 'HEAD') return null;
  if (req.path.startsWith('/assets/')) {
    const caching = HASHED.test(req.path) ? FOR_A_YEAR : 'no-cache';
    return fileResponse(files.get(req.path), caching);
  }
  const isView = req.path === '/' || req.path === '/ui' || req.path.startsWith('/ui/');
  if (!isView || !wantsHtml(req.header('accept'))) return null;
  return fileResponse(files.get('/index.html'), 'no-cache');
}

function fileResponse(file: { text: string; type: string } | undefined, caching: string): Response | null {
  if (file === undefined) return null;
  const headers = { ...HEADERS, 'content-type': file.type, 'cache-control': caching, vary: 'accept' };
  return respond(HTTP.ok, file.text, headers);
}

function wantsHtml(accept = ''): boolean {
  return accept.split(',').some((range) => range.split(';', 1)[0]!.trim().toLowerCase() === 'text/html');
}
