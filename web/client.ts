/**
 * Asks the API. The token is kept for this tab alone. A request that is refused for its token waits for another one and is sent
 * again, so the view stays where it is; a request that reaches no server is sent again until one answers.
 */
import { signal } from '@preact/signals';
import { Digits, type Json, KEEPS_DIGITS, parseExact } from './exact-json.ts';
import { anotherSession, hasSignIn, sessionToken, tokenAccepted } from './sign-in/session.ts';

/** An answer that is not what was asked for: a problem document. */
export class Refused extends Error {
  readonly status: number;
  readonly type: string;
  readonly remedy: string | null;
  constructor(
    status: number,
    { type, title, detail, message, remedy }: Readonly<Record<string, string | undefined>>,
  ) {
    // gateways have a message of their own
    super(detail ?? title ?? `The server answered ${status}${message ? `: ${message}` : ''}.`);
    this.status = status;
    this.type = type ?? '';
    this.remedy = remedy ?? null;
  }
}

export type Parameters = Readonly<Record<string, string | undefined>>;

const STORED = 'pgtimewarp-token';
const RETRY_MS = 1_500;

/** Set while requests wait for a token; calling it sends them again. */
export const wantedToken = signal<((token: string) => void) | null>(null);
export const isTokenWrong = signal(false);
/** Whether the last request reached no server. */
export const isOffline = signal(false);

let waiting: Promise<void> | null = null;

/** @param path without parameters; @param numbered whether the answer has rows, whose numbers must keep their digits */
export async function ask<T>(
  path: string,
  parameters: Parameters = {},
  signal?: AbortSignal,
  body?: unknown,
): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  if (!KEEPS_DIGITS && /\/(tables|transactions)\//.test(path)) query.set('numbers', 'text');
  const target = query.size === 0 ? path : `${path}?${query}`;
  for (;;) {
    const token = tokenNow();
    const response = await reach(target, { token, body, ...(signal === undefined ? {} : { signal }) });
    if (response.status === 401) {
      if (token === tokenNow()) await (hasSignIn.value ? anotherSession() : anotherToken());
      continue;
    }
    isTokenWrong.value = false;
    tokenAccepted();
    const document = parsed(await response.text());
    if (response.ok && document !== null) return document as T;
    throw new Refused(response.status, (document ?? NO_DOCUMENT) as Record<string, string>);
  }
}

const tokenNow = (): string | null => (hasSignIn.value ? sessionToken() : sessionStorage.getItem(STORED));

interface Sent {
  readonly token: string | null;
  readonly body: unknown;
  readonly signal?: AbortSignal;
}

async function reach(target: string, { token, body, signal }: Sent): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (token !== null) headers.authorization = `Bearer ${token}`;
  for (;;) {
    try {
      const response = await fetch(target, {
        headers,
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
      isOffline.value = false;
      return response;
    } catch (error) {
      if (signal?.aborted) throw error;
      isOffline.value = true;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Something between the page and the API may answer with a page of its own. */
const NO_DOCUMENT = { detail: 'Something other than pgtimewarp has answered: not a JSON document.' };

/** A document; null: it is none. */
function parsed(text: string): Json {
  try {
    const document = parseExact(text);
    return typeof document === 'object' && !(document instanceof Digits) ? document : null;
  } catch {
    return null;
  }
}

/** All requests that are refused at the same time wait for one answer. */
function anotherToken(): Promise<void> {
  waiting ??= new Promise((resolve) => {
    isTokenWrong.value = sessionStorage.getItem(STORED) !== null;
    wantedToken.value = (token) => {
      sessionStorage.setItem(STORED, token);
      wantedToken.value = null;
      waiting = null;
      resolve();
    };
  });
  return waiting;
}
