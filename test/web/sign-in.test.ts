/**
 * The page as a deployment gives it: the bundle of the API function behind the routes of its template, a real issuer, a real browser.
 * Nobody reads anything without a token, and nobody loses their place by signing in.
 */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import example from '../../infra/config/example.ts';
import { type ApiGateway, startApiGateway } from '../support/api-gateway.ts';
import { type AwsStub, startAwsStub } from '../support/aws-stub.ts';
import { violations } from '../support/axe.ts';
import { startBrowser } from '../support/browser.ts';
import { secretArn } from '../support/lambda-databases.ts';
import { chromium, describeNeeding } from '../support/needs.ts';
import { AUDIENCE, CLIENT, type OidcServer, startOidcServer } from '../support/oidc-server.ts';
import { type PageTab, pageTab } from '../support/page-tab.ts';
import { synthesizeWithCode } from '../support/synthesize.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const PICTURES = 'test-output/page';
const PATIENT = { timeout: 60_000 };
const HTML = { headers: { accept: 'text/html' } };

describeNeeding(chromium(), 'signing in to the page of a deployment', () => {
  let node: TrackedNode;
  let aws: AwsStub;
  let oidc: OidcServer;
  let gateway: ApiGateway;
  let browser: Browser;

  beforeAll(async () => {
    [node, aws, oidc, browser] = await Promise.all([
      trackedNode({
        plugin: 'pgoutput',
        tables: 'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)',
        track: ['t'],
      }),
      startAwsStub(),
      startOidcServer(() => [`${gateway.url}/ui/signed-in`]),
      startBrowser(),
    ]);
    await node.source.query('UPDATE t SET v = 42');
    await node.catchUp();
    const deployment = await synthesizeWithCode({
      ...example,
      api: {
        authorization: { kind: 'jwt', issuer: oidc.issuer, audience: [AUDIENCE] },
        page: { clientId: CLIENT, scopes: ['openid', 'history/read'], tokenOrigin: oidc.tokenOrigin },
      },
    });
    aws.secrets.set(secretArn('reader'), JSON.stringify({ url: node.storeUrl }));
    gateway = await startApiGateway(deployment, oidc, {
      ...aws.env,
      PGTIMEWARP_STORE_SECRET_ARN: secretArn('reader'),
    });
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    await gateway?.[Symbol.asyncDispose]();
    for (const each of [oidc, aws, node]) await each?.[Symbol.asyncDispose]();
  });

  beforeEach(() => {
    Object.assign(oidc.behaviour, { givesRefreshTokens: false, spoils: null });
  });

  const view = (): string => `${gateway.url}/ui/${node.node}/row?table=public.t&pk=1`;
  /** A tab that may ask the issuer, too. */
  const open = (url: string): Promise<PageTab> =>
    pageTab(browser, url, { origins: [new URL(oidc.issuer).origin, oidc.tokenOrigin] });
  const shown = (page: Page): Promise<unknown> => page.waitForSelector('.long-list .line', PATIENT);
  const dialog = (page: Page, says: RegExp): Promise<void> =>
    page.getByRole('dialog').getByText(says).waitFor(PATIENT);
  const expire = (): void => {
    oidc.behaviour.aheadSeconds += 3601;
  };

  test('the files of the page need no token, everything else does, however its path is written', async () => {
    expect(gateway.openRoutes).toEqual(['GET /', 'GET /ui', 'GET /ui/{proxy+}', 'GET /assets/{proxy+}']);
    const page = await fetch(`${gateway.url}/`, HTML);
    expect(page.status).toBe(200);
    const policy = page.headers.get('content-security-policy')!;
    const issuer = new URL(oidc.issuer).origin;
    expect(policy.split('; ').at(-1)).toBe(`connect-src 'self' ${issuer} ${oidc.tokenOrigin}`);
    expect(await (await fetch(`${gateway.url}/assets/sign-in.json`)).json()).toEqual({
      issuer: oidc.issuer,
      client_id: CLIENT,
      scopes: ['openid', 'history/read'],
    });
    const plain = new URL(gateway.url);
    for (const path of [
      '/v1/nodes',
      '/openapi.json',
      '/ui/../v1/nodes',
      '/assets/../v1/nodes',
      '/assets/%2e%2e/v1/nodes',
      '/ui/%2e%2e%2fv1/nodes',
      '/assets/..%2f..%2fv1%2fnodes',
      '/ui/x/..//v1/nodes',
      '/ui',
      '/assets/none.js',
    ])
      expect([path, await statusOf(plain, path)]).toEqual([path, 401]);
    for (const method of ['POST', 'HEAD', 'PUT'])
      expect((await fetch(`${gateway.url}/ui`, { method })).status).toBe(401);
  });

  test('a shared address leads through the issuer to its view; a reload signs nobody in again; other tabs know nothing', async () => {
    const before = oidc.asked.authorize;
    await using tab = await open(view());
    await shown(tab.page);
    expect(tab.page.url()).toBe(view());
    const request = oidc.lastRequest();
    expect(request.get('scope')).toBe('openid history/read');
    expect(request.get('code_challenge')).toMatch(/^[\w-]{43}$/);
    expect(new Set([request.get('state'), request.get('nonce'), request.get('code_challenge')]).size).toBe(3);
    await tab.page.reload();
    await shown(tab.page);
    expect(oidc.asked.authorize).toBe(before + 1);
    const kept = await tab.page.evaluate(() => [localStorage.length, document.cookie]);
    expect(kept).toEqual([0, '']);
    const other = await tab.page.context().newPage();
    await other.goto(view());
    await shown(other);
    expect(oidc.asked.authorize).toBe(before + 2);
    expect(tab.errors).toEqual([]);
  });

  test('the policy: the page reaches the issuer, and no other server', async () => {
    const server = createServer((_, response) =>
      response.writeHead(200, { 'access-control-allow-origin': '*' }).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const elsewhere = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await using tab = await open(view());
    await shown(tab.page);
    const reach = (place: string): Promise<string> =>
      tab.page.evaluate(
        (to) =>
          fetch(to, { mode: 'no-cors' }).then(
            () => 'reached',
            () => 'blocked',
          ),
        place,
      );
    expect([
      await reach(oidc.issuer),
      await reach(`${oidc.tokenOrigin}/token`),
      await reach(elsewhere),
    ]).toEqual(['reached', 'reached', 'blocked']);
    server.close();
    server.closeAllConnections();
  });

  test('with a refresh token, an expired token is replaced while somebody looks, and they notice nothing', async () => {
    oidc.behaviour.givesRefreshTokens = true;
    await using tab = await open(view());
    await shown(tab.page);
    const { authorize } = oidc.asked;
    for (let time = 1; time <= 2; time++) {
      const { refresh } = oidc.asked;
      expire();
      await expect.poll(() => oidc.asked.refresh, PATIENT).toBe(refresh + 1);
      await answered(tab.page);
    }
    expect(oidc.asked.authorize).toBe(authorize);
    expect(await tab.page.getByRole('dialog').count()).toBe(0);
    expect(tab.page.url()).toBe(view());
    expect(tab.errors).toEqual([]);
  });

  test('without one, signing in again is offered, and leads back to the view and its place in the history', async () => {
    await using tab = await open(`${gateway.url}/ui/${node.node}/tables`);
    const { page, errors } = tab;
    await page.getByRole('link', { name: 'public.t' }).first().waitFor(PATIENT);
    await page.evaluate((to) => history.pushState(null, '', to), view());
    await page.reload();
    await shown(page);
    expire();
    await dialog(page, /Your sign-in has expired/);
    expect(page.url()).toBe(view());
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached', ...PATIENT });
    await shown(page);
    expect(page.url()).toBe(view());
    await page.goBack();
    await page.getByRole('link', { name: 'public.t' }).first().waitFor(PATIENT);
    expect(new URL(page.url()).pathname).toBe(`/ui/${node.node}/tables`);
    expect(errors).toEqual([]);
  });

  test('who comes back to a tab with an expired token is signed in again at once', async () => {
    await using tab = await open(view());
    await shown(tab.page);
    const { authorize } = oidc.asked;
    expire();
    await tab.page.reload();
    await expect.poll(() => oidc.asked.authorize, PATIENT).toBe(authorize + 1);
    await shown(tab.page);
    expect(tab.page.url()).toBe(view());
  });

  test.each([
    ['state', /does not belong to a sign-in of this tab/, 0],
    ['issuer', /does not belong to a sign-in of this tab/, 0],
    ['nonce', /does not belong to a sign-in of this tab/, 1],
    ['access', /The issuer refuses: You may not see <b>this<\/b>\./, 0],
    ['audience', /The API does not take the token/, 1],
  ] as const)(
    'a wrong %s: refused with the reason, no loop, and the next attempt succeeds',
    async (what, says, codes) => {
      oidc.behaviour.spoils = what;
      const before = { ...oidc.asked };
      await using tab = await open(view());
      await dialog(tab.page, says);
      expect(oidc.asked).toMatchObject({ authorize: before.authorize + 1, code: before.code + codes });
      expect(tab.page.url()).toBe(view());
      oidc.behaviour.spoils = null;
      await tab.page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await shown(tab.page);
      expect(tab.page.url()).toBe(view());
    },
  );

  test('an answer that nobody asked for is not used', async () => {
    const { code } = oidc.asked;
    await using tab = await open(`${gateway.url}/ui/signed-in?code=stolen&state=&iss=${oidc.issuer}`);
    await dialog(tab.page, /does not belong to a sign-in of this tab/);
    expect(oidc.asked.code).toBe(code);
    expect(tab.page.url()).toBe(`${gateway.url}/`);
  });

  test('signing out forgets the tokens, also at the issuer, and signs nobody in again by itself', async () => {
    await using tab = await open(view());
    const { page } = tab;
    await shown(page);
    const before = { ...oidc.asked };
    await page.getByRole('button', { name: 'Sign out' }).click();
    await dialog(page, /You are signed out/);
    expect(oidc.asked).toMatchObject({ authorize: before.authorize, end: before.end + 1 });
    expect(page.url()).toBe(`${gateway.url}/`);
    const texts = await page.evaluate(() => Object.keys(sessionStorage));
    expect(texts).toEqual(['pgtimewarp-signed-out']);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.waitForSelector('#newest', PATIENT);
  });

  test('view and dialog are accessible, also on a small screen', async () => {
    mkdirSync(PICTURES, { recursive: true });
    await using tab = await open(`${gateway.url}/ui/${node.node}`);
    const { page } = tab;
    await page.waitForSelector('#newest', PATIENT);
    const looks = [
      [1280, 'light'],
      [390, 'light'],
      [390, 'dark'],
      [1280, 'dark'],
    ] as const;
    const look = async (name: string): Promise<void> => {
      for (const [width, colorScheme] of looks) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: `${PICTURES}/${name}-${width}-${colorScheme}.png` });
        expect(await violations(page), `${name} ${width} ${colorScheme}`).toEqual([]);
      }
    };
    await look('signed-in');
    expire();
    await dialog(page, /Your sign-in has expired/);
    await look('sign-in');
  });

  /** The page has had an answer with the newest token. */
  async function answered(page: Page): Promise<void> {
    const response = await page.waitForResponse(
      (each) => each.url().includes('/v1/nodes') && each.status() === 200,
      PATIENT,
    );
    expect(response.status()).toBe(200);
  }
});

/** Of a path that is sent as it is written. */
async function statusOf({ hostname, port }: URL, path: string): Promise<number> {
  const { request } = await import('node:http');
  return await new Promise((resolve, reject) => {
    request({ hostname, port, path }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}
