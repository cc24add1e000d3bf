/** The pure parts of the functions. */
import { describe, expect, test } from 'vitest';
import { scramVerifier } from '../../core/setup/logins.ts';
import { formatTableSegment, parseTableSegment } from '../../documents/table-segment.ts';
import { matchesTag, withoutHorizon } from '../../http/entity-tag.ts';
import { statusOfAnswer } from '../../http/http-status.ts';
import { secretReference } from '../../infra/constructs/secret-reference.ts';
import { readConfiguration } from '../../lambda/shared/configuration.ts';
import { connectionUrl } from '../../lambda/shared/credentials.ts';
import { beforeEnd, secondsForRun } from '../../lambda/shared/deadline.ts';
import { rdsToken } from '../../lambda/shared/rds-token.ts';

describe('table segments', () => {
  test.each([
    ['public.orders', 'public', 'orders'],
    ['Sales.Orders', 'Sales', 'Orders'],
    ['public.odd name/%?#ä', 'public', 'odd name/%?#ä'],
    ['"a.b".c', 'a.b', 'c'],
    ['a."b.c"', 'a', 'b.c'],
    ['"""a"."b""c."', '"a', 'b"c.'],
  ])('%s', (segment, schema, name) => {
    expect(parseTableSegment(segment)).toEqual({ schema, name });
    expect(formatTableSegment({ schema, name })).toBe(segment);
  });

  test.each([
    'orders',
    'a.b.c',
    '.a',
    'a.',
    '"a.b',
    '"a"b.c',
    'a."b"c',
    '""."a"',
    `a.${'ä'.repeat(32)}`,
    'a.b\0',
  ])('not %j', (segment) => expect(() => parseTableSegment(segment)).toThrow(/Not a table/));
});

test('a row in a gap is a conflict (409), an expired one is gone (410)', () => {
  expect(statusOfAnswer('unknown', 'in_gap')).toBe(409);
  expect(statusOfAnswer('unknown', 'expired')).toBe(410);
  expect(statusOfAnswer('unknown', 'erased')).toBe(410);
  expect(statusOfAnswer('absent', 'not_in_window')).toBe(404);
  expect(statusOfAnswer('found', null)).toBe(200);
});

test('tags compare weakly, and do not include the horizon', () => {
  expect(matchesTag('W/"a", "b"', 'W/"b"')).toBe(true);
  expect(matchesTag('*', 'W/"b"')).toBe(true);
  expect(matchesTag('"c"', 'W/"b"')).toBe(false);
  expect(matchesTag('*', undefined)).toBe(false);
  const answer = (horizon: string, validTo: string): string =>
    withoutHorizon(`{"row":{"a": 1.10},"valid_to":${validTo},"horizon":{"lsn":"${horizon}"},"final":true}`);
  expect(answer('0/1', 'null')).toBe(answer('0/2', 'null'));
  expect(answer('0/1', 'null')).not.toBe(answer('0/1', '{"lsn":"0/1"}'));
});

test('how people sign in: tokens come from the issuer, if the deployment does not say otherwise', () => {
  const signInOf = (text: string | undefined) =>
    readConfiguration(['signIn'], text === undefined ? {} : { PGTIMEWARP_SIGN_IN: text }).signIn;
  const given = { issuer: 'https://issuer.example/pool', clientId: 'page', scopes: ['openid'] };
  expect(signInOf(undefined)).toBeNull();
  expect(signInOf(JSON.stringify(given))).toEqual({ ...given, tokenOrigin: 'https://issuer.example' });
  const elsewhere = { ...given, tokenOrigin: 'https://tokens.example/' };
  expect(signInOf(JSON.stringify(elsewhere))).toEqual({ ...given, tokenOrigin: 'https://tokens.example' });
  for (const wrong of ['{', '{}', JSON.stringify({ ...given, issuer: 'x' })])
    expect(() => signInOf(wrong)).toThrow(/PGTIMEWARP_SIGN_IN/);
});

describe('secrets', () => {
  test('in the form of RDS, with every character', () => {
    const secret = {
      engine: 'postgres',
      host: 'db.example',
      port: 5433,
      username: 'u@x',
      password: 'p:/?#%@',
      dbname: 'a b',
    };
    const url = new URL(connectionUrl(JSON.stringify(secret), 'arn').url);
    expect([
      url.host,
      decodeURIComponent(url.username),
      decodeURIComponent(url.password),
      decodeURIComponent(url.pathname),
    ]).toEqual(['db.example:5433', 'u@x', 'p:/?#%@', '/a b']);
  });

  test.each(['', 'null', '{}', '{"host":"h","password":"geheim"}', '{"url":"mysql://geheim"}', 'geheim'])(
    'of another form are refused and not shown: %s',
    (text) => {
      expect(() => connectionUrl(text, 'the-arn')).toThrow(
        /^The secret the-arn (is no JSON object|has no \w+|has a url of another form)/,
      );
      expect(() => connectionUrl(text, 'the-arn')).not.toThrow(/geheim/);
    },
  );

  test.each(['host', 'username', 'password', 'dbname'])('without %s are refused with its name', (field) => {
    const whole = { host: 'h', username: 'u', password: 'geheim', dbname: 'd' };
    const text = JSON.stringify({ ...whole, [field]: undefined });
    expect(() => connectionUrl(text, 'the-arn')).toThrow(`The secret the-arn has no ${field}.`);
  });

  test('that RDS manages have only user and password: the rest comes from the configuration', () => {
    const reference = secretReference('the-arn', { host: 'db.example', port: 5433, dbname: 'a b&c' });
    const { url } = connectionUrl(JSON.stringify({ username: 'u', password: 'p' }), reference);
    expect(url).toBe('postgres://u:p@db.example:5433/a%20b%26c');
    expect(() => connectionUrl('{"username":"u","password":"p"}', 'the-arn')).toThrow('has no host, dbname.');
    expect(secretReference('the-arn', null)).toBe('the-arn');
  });

  test('a login by IAM has a signed token as its password, for a limited time', () => {
    const secret = { iam: true, host: 'db.example', username: 'timewarp', dbname: 'shop' };
    const environment = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'B', AWS_REGION: 'eu-central-1' };
    const { url, untilMs } = connectionUrl(JSON.stringify(secret), 'arn', environment);
    const password = decodeURIComponent(new URL(url).password);
    expect(password).toMatch(
      /^db\.example:5432\/\?Action=connect&DBUser=timewarp&.*&X-Amz-Signature=[0-9a-f]{64}$/,
    );
    expect(untilMs - Date.now()).toBeGreaterThan(240_000);
    expect(untilMs - Date.now()).toBeLessThan(600_000);
  });

  /** RFC 7677 section 3: the example's keys, from its password, salt and count. */
  test('a verifier equals the one that PostgreSQL makes of the password', () => {
    const verifier = scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'));
    expect(verifier).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });
});

describe('configuration of a function', () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf';
  test.each([
    ['missing', {}, /PGTIMEWARP_STORE_SECRET_ARN/],
    ['no ARN', { PGTIMEWARP_STORE_SECRET_ARN: 'postgres://u:p@h/d' }, /must be the ARN of a secret/],
    [
      'no JSON',
      { PGTIMEWARP_STORE_SECRET_ARN: arn, PGTIMEWARP_SOURCE_SECRET_ARNS: 'shop' },
      /SOURCE_SECRET_ARNS: must be a JSON object/,
    ],
    [
      'bad node',
      { PGTIMEWARP_STORE_SECRET_ARN: arn, PGTIMEWARP_SOURCE_SECRET_ARNS: `{"Shop":"${arn}"}` },
      /SOURCE_SECRET_ARNS/,
    ],
  ])('%s', (_, environment, says) => {
    expect(() => readConfiguration(['storeSecretArn', 'sourceSecretArns'], environment)).toThrow(says);
  });
});

/** The signatures are those of the SDK's signer (@smithy/signature-v4 5.7.5, `presign`) for the same input. */
test.each([
  ['long-term', undefined, 'f7a3eb37ae37549f366b71c377f71fa255a133612e1521b9032b79dbfa0865b1'],
  ['temporary', 'IQoJb3JpZ2luX2VjE==/+*', 'e1d2c9f8261a6cf35961fe331689c34f9ea991b3d38e355724b2da95d6de8d9f'],
])('a token for RDS is signed as the SDK signs it: %s credentials', (_, sessionToken, signature) => {
  const host = 'shop.abc123.eu-central-1.rds.amazonaws.com';
  const credentials = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    sessionToken,
  };
  const request = { host, port: 5432, username: "time'warp", region: 'eu-central-1' };
  const token = rdsToken(request, credentials, '20260131T094100Z');
  expect(token).toContain(`${host}:5432/?Action=connect&DBUser=time%27warp&`);
  expect(token.endsWith(`&X-Amz-Signature=${signature}`)).toBe(true);
});

describe('the time limits of an invocation', () => {
  const withLeft = (remainingMs: number) => ({ getRemainingTimeInMillis: () => remainingMs });

  test('a run gets the time less the reserve for ending, and does not start if nothing is left', () => {
    expect(secondsForRun(withLeft(60_000))).toBe(50);
    expect(() => secondsForRun(withLeft(10_000))).toThrow(expect.objectContaining({ code: 'DEADLINE' }));
  });

  test('work that does not end is aborted before the invocation ends', async () => {
    let told: AbortSignal | undefined;
    const endless = beforeEnd(withLeft(5_050), (signal) => {
      told = signal;
      return new Promise(() => {});
    });
    await expect(endless).rejects.toMatchObject({ code: 'DEADLINE' });
    expect(told!.aborted).toBe(true);
    expect(await beforeEnd(withLeft(60_000), async ({ aborted }) => aborted)).toBe(false);
  });
});
