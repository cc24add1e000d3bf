/**
 * Who is signed in, in this tab alone. Signing in leaves the page and comes back to the same view, which its address names. While
 * somebody looks, nothing leaves the page by itself: an expired sign-in is renewed by the issuer's refresh token, or offered.
 */
import { signal } from '@preact/signals';
import { go } from '../address.ts';
import {
  type Attempt,
  type Client,
  codeOf,
  discover,
  exchange,
  newAttempt,
  notOurs,
  refreshed,
  SignInFailed,
  signInAddress,
  signOutAddress,
  type Tokens,
} from './oidc.ts';

/** Set while the page waits for somebody to sign in: why. */
export const signInWanted = signal<string | null>(null);
/** Whether people sign in here. */
export const hasSignIn = signal(false);

/** A view's address, but no node can have this name. The issuer must know it. */
const RETURN_PATH = '/ui/signed-in';
const SESSION = 'pgtimewarp-session';
const ATTEMPT = 'pgtimewarp-attempt';
const SIGNED_OUT = 'pgtimewarp-signed-out';
const EXPIRED = 'Your sign-in has expired.';

interface Session extends Tokens {
  /** Whether the API has ever taken the token: if not, another one of the same kind will not help. */
  readonly isAccepted: boolean;
}

/** Where the server says how people sign in. */
let place = '';
let client: Promise<Client> | null = null;
let renewal: Promise<void> | null = null;
/** Whether a view has had an answer: then somebody may be looking. */
let hasAnswered = false;

/**
 * Before the first view: takes the answer of the issuer, or goes to it. Resolves to whether views can begin; if not, the page is
 * about to leave.
 */
export async function startSession(): Promise<boolean> {
  const named = document.querySelector<HTMLMetaElement>('meta[name=sign-in]')?.content;
  if (named === undefined) return true;
  place = named;
  hasSignIn.value = true;
  addEventListener('pageshow', ({ persisted }) => persisted && location.reload()); // what waits has lost its place
  if (location.pathname === RETURN_PATH) await comeBack();
  else if (session() === null && sessionStorage.getItem(SIGNED_OUT) === null) return !(await leave());
  return true;
}

export const sessionToken = (): string | null => session()?.access ?? null;

/** The API has taken the token. */
export function tokenAccepted(): void {
  hasAnswered = true;
  const now = session();
  if (now !== null && !now.isAccepted) keep({ ...now, isAccepted: true });
}

/** Resolves when there is another token than the refused one. If somebody must sign in for it, it never does: the page leaves. */
export function anotherSession(): Promise<void> {
  renewal ??= renew().finally(() => {
    renewal = null;
  });
  return renewal;
}

/** Goes to the issuer. Resolves to false if it cannot be asked; then the dialog says why. */
export async function leave(): Promise<boolean> {
  const attempt = newAttempt();
  try {
    const address = await signInAddress(await clientNow(), attempt, location.origin + RETURN_PATH);
    const view = location.pathname === RETURN_PATH ? '/' : location.pathname + location.search;
    sessionStorage.setItem(ATTEMPT, JSON.stringify({ ...attempt, view }));
    sessionStorage.removeItem(SIGNED_OUT);
    location.replace(address); // the view keeps its one place in the browser's history
    return true;
  } catch (error) {
    signInWanted.value = reasonOf(error);
    return false;
  }
}

/** Forgets the tokens, and ends the session at the issuer if that can be done. */
export async function signOut(): Promise<void> {
  const former = session();
  sessionStorage.removeItem(SESSION);
  sessionStorage.setItem(SIGNED_OUT, '1');
  const home = `${location.origin}/`;
  const address = await clientNow()
    .then((known) => former && signOutAddress(known, former, home))
    .catch(() => null);
  location.assign(address ?? home);
}

async function comeBack(): Promise<void> {
  const answer = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem(ATTEMPT) ?? 'null') as (Attempt & { view: string }) | null;
  sessionStorage.removeItem(ATTEMPT); // an answer counts once
  go(kept?.view ?? '/', { replace: true });
  try {
    if (kept === null) throw notOurs();
    const known = await clientNow();
    const code = codeOf(answer, kept, known);
    const redirect = location.origin + RETURN_PATH;
    keep({ ...(await exchange(known, { ...kept, code, redirect })), isAccepted: false });
  } catch (error) {
    signInWanted.value = reasonOf(error);
  }
}

async function renew(): Promise<void> {
  const former = session();
  if (former?.isAccepted && former.refresh !== null) {
    try {
      keep({ ...(await refreshed(await clientNow(), former)), isAccepted: false });
      return;
    } catch {
      // the refresh token has expired, too, or the issuer does not answer: somebody must sign in
    }
  }
  if (former?.isAccepted && !hasAnswered && (await leave())) return new Promise(() => {});
  signInWanted.value ??= whyAgain(former);
  return new Promise(() => {});
}

function whyAgain(former: Session | null): string {
  if (former === null) return 'You are signed out.';
  return former.isAccepted
    ? EXPIRED
    : 'The API does not take the token of the issuer: its issuer or its audience is another, or it is none that the API can read.';
}

function session(): Session | null {
  return JSON.parse(sessionStorage.getItem(SESSION) ?? 'null') as Session | null;
}

const keep = (tokens: Session): void => sessionStorage.setItem(SESSION, JSON.stringify(tokens));

function clientNow(): Promise<Client> {
  client ??= discover(place).catch((error: unknown) => {
    client = null; // asked again next time
    throw error;
  });
  return client;
}

const reasonOf = (error: unknown): string =>
  error instanceof SignInFailed ? error.message : `Signing in failed: ${String(error)}`;
