/**
 * The image of deploy/Dockerfile and the services of deploy/compose, as they are: built, started, and asked. `npm run test:container`;
 * without a Docker daemon it is one skipped test.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dockerAnswers } from '../support/docker-server.ts';
import { describeNeeding } from '../support/needs.ts';
import { blocksOf, normalise, stepsOf } from '../support/readme.ts';
import { runTool } from '../support/run-tool.ts';
import { docker, dockerDoes, findCompose } from './docker.ts';
import { checkoutOfImage, nodeImage, postgresImage } from './images.ts';

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
const IMAGE = `pgtimewarp-under-test:${version}`;
const SMALL_IMAGE = `${IMAGE}-busybox`;
/** Of this run: nothing of another one is touched. */
const NAME = `pgtimewarp-test-${process.pid}`;
const STARTED_MS = 60_000;

const daemon = { what: 'a Docker daemon', met: await dockerAnswers(), remedy: 'dockerd, and DOCKER_HOST' };

describeNeeding(daemon, 'the container', () => {
  let checkout: Awaited<ReturnType<typeof checkoutOfImage>>;
  let bases: Record<'NODE_IMAGE' | 'POSTGRES_IMAGE', string>;

  beforeAll(async () => {
    bases = { NODE_IMAGE: await nodeImage(), POSTGRES_IMAGE: await postgresImage() };
    console.log(`made from ${bases.NODE_IMAGE} and ${bases.POSTGRES_IMAGE}`);
    checkout = await checkoutOfImage();
    await dockerDoes(
      [
        ...['build', '--file', 'deploy/Dockerfile', '--tag', IMAGE],
        ...['--build-arg', `PACKAGE=pgtimewarp-${version}.tgz`],
        ...['--build-arg', `NODE_IMAGE=${bases.NODE_IMAGE}`, '.'],
      ],
      { cwd: checkout.path },
    );
    const file = 'test/container/stand-ins/busybox.Dockerfile';
    await dockerDoes([
      ...['build', '--file', file, '--tag', SMALL_IMAGE, '--build-arg', `IMAGE=${IMAGE}`],
      'test/container/stand-ins',
    ]);
  });

  afterAll(async () => {
    await docker(['image', 'rm', '--force', SMALL_IMAGE, IMAGE]);
    await checkout?.[Symbol.asyncDispose]();
  });

  test('it runs without root, and starts where nothing can be written', async () => {
    const bare = ['run', '--rm', '--read-only', '--cap-drop', 'ALL', '--network', 'none'];
    expect(await dockerDoes([...bare, IMAGE, '--version'])).toBe(version);
    expect(await dockerDoes([...bare, '--entrypoint', 'id', IMAGE, '-u'])).toBe('1000');
  });

  describe.each([
    ['', IMAGE],
    [' on BusyBox', SMALL_IMAGE],
  ])('the commands of the README%s', (_, image) => {
    const source = `${NAME}-db`;

    beforeAll(async () => {
      await dockerDoes(['network', 'create', NAME]);
      await dockerDoes([
        ...['run', '--detach', '--name', source, '--network', NAME, '--network-alias', 'db.example.com'],
        ...['--env', 'POSTGRES_PASSWORD=trial', '--env', 'POSTGRES_DB=shop', bases.POSTGRES_IMAGE],
        ...['-c', 'wal_level=logical'],
      ]);
      await vi.waitFor(() => sql('SELECT'), { timeout: STARTED_MS, interval: 500 });
      await sql(
        `CREATE ROLE app LOGIN; GRANT CREATE ON SCHEMA public TO app; SET ROLE app;
         CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL, total numeric(12,2) NOT NULL);
         INSERT INTO orders (status, total) VALUES ('new', 49.90), ('new', 8.50)`,
      );
    });

    afterAll(async () => {
      await docker(['rm', '--force', '--volumes', source]);
      await docker(['network', 'rm', NAME]);
    });

    /** As a superuser, each statement by itself: the database must be created outside of a transaction. */
    async function sql(text: string): Promise<void> {
      const statements = text
        .replaceAll(/--.*$/gm, '')
        .split(';')
        .flatMap((each) => ['-c', each]);
      await dockerDoes([
        ...['exec', '--env', 'PGPASSWORD=trial', source, 'psql', '-h', '127.0.0.1', '-U', 'postgres', '-qX'],
        ...['-v', 'ON_ERROR_STOP=1', ...statements, 'shop'],
      ]);
    }

    test('print what it shows, each in a container of its own', async () => {
      const environment: string[] = [];
      const counts = { commands: 0 };
      let firstTime = '';
      for (const block of blocksOf(await readFile('README.md', 'utf8'))) {
        const ways = block.marks.filter((mark) => !mark.includes('='));
        if (!ways.every((way) => way === 'pgoutput') || block.marks.length > ways.length) continue;
        if (block.language === 'sql' && !block.text.includes('DROP ROLE'))
          await sql(block.text.replace(/^ALTER SYSTEM SET wal_level.*$/m, ''));
        if (block.language !== 'console' || block.text.includes('npm run demo')) continue;
        for (const { command, output } of stepsOf(block)) {
          const [, variable] = /^export (.*)$/.exec(command) ?? [];
          if (variable !== undefined) {
            environment.push('--env', `${variable}?sslmode=disable`); // the image has no certificate
            continue;
          }
          const args = command
            .replace(/--at \S+/, `--at ${firstTime}`)
            .split(' ')
            .slice(1);
          const { stdout, stderr } = await docker([
            'run',
            '--rm',
            '--network',
            NAME,
            ...environment,
            image,
            ...args,
          ]);
          expect(normalise(stderr + stdout), command).toBe(normalise(output));
          firstTime = /^(\S+Z) {2}found when the table was read/m.exec(stdout)?.[1] ?? firstTime;
          counts.commands++;
        }
      }
      expect(counts.commands).toBeGreaterThan(7);
    });
  });

  describe('the services of Compose', () => {
    let compose: (...args: string[]) => Promise<string>;

    beforeAll(async () => {
      const found = await findCompose();
      if (found === null) throw new Error('There is no Compose: apt-get install docker-compose.');
      const file = join(checkout.path, 'deploy/compose/compose.yaml');
      const text = await readFile(file, 'utf8');
      if (!found.knowsName) await writeFile(file, text.replace(/^name: .*$/m, ''));
      const [program = '', ...before] = found.command;
      compose = async (...args) => {
        const all = [...before, '-p', NAME, '-f', file, ...args];
        const { code, stdout, stderr } = await runTool(program, all, {
          cwd: checkout.path,
          env: bases,
          timeoutMs: 300_000,
        });
        expect(code, `${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
        return stdout;
      };
      await compose('up', '--detach', '--build');
    });

    afterAll(async () => {
      await compose('down', '--volumes', '--rmi', 'local');
    });

    const ask = async (path: string): Promise<unknown> => {
      const answer = await fetch(`http://127.0.0.1:18080/v1/nodes/shop/${path}`, {
        headers: { authorization: 'Bearer trial' },
      });
      expect(answer.status).toBe(200);
      return await answer.json();
    };

    test('one command makes a pair of servers, and the API tells what a row was', async () => {
      const before = await vi.waitFor(() => ask('tables/public.orders/asof?pk=1'), {
        timeout: STARTED_MS,
        interval: 500,
      });
      expect(before).toMatchObject({ status: 'found', row: { status: 'new' } });
      const change = "UPDATE orders SET status = 'paid' WHERE id = 1";
      await compose(
        'exec',
        '-T',
        '-e',
        'PGPASSWORD=trial',
        'source',
        'psql',
        '-h',
        '127.0.0.1',
        '-U',
        'postgres',
        '-c',
        change,
        'shop',
      );
      await vi.waitFor(
        async () =>
          expect(await ask('tables/public.orders/asof?pk=1')).toMatchObject({
            op: 'U',
            row: { status: 'paid' },
          }),
        { timeout: STARTED_MS, interval: 500 },
      );
    });

    test('the API is healthy, and stops when it is told to', async () => {
      const id = (await compose('ps', '-q', 'api')).trim();
      const check = async () => (await docker(['exec', id, 'node', '/opt/healthcheck.mjs'])).code;
      expect(await check()).toBe(0);
      expect(await dockerDoes(['exec', id, 'pgtimewarp', 'doctor'])).toMatch(/checks passed/);
      await dockerDoes(['stop', '--time', '20', id]);
      expect(await dockerDoes(['inspect', '--format', '{{.State.ExitCode}}', id])).toBe('0');
    });
  });
});
