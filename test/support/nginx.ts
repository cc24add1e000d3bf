/** A real nginx in front of a server: it keeps connections to it and passes bodies on as they arrive; the rest is the default. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../cli/servers/free-port.ts';

/** The Debian package that contains it. */
export const NGINX = '/usr/sbin/nginx';

export interface Nginx extends AsyncDisposable {
  readonly url: string;
}

/** @param lines additional lines for the configuration of the server */
export async function startNginx(upstream: string, lines = ''): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-nginx-'));
  const port = await freePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 256; }
     http {
       access_log off; ${paths}
       upstream api { server ${new URL(upstream).host}; keepalive 8; }
       server {
         listen 127.0.0.1:${port};
         location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }
         ${lines}
       }
     }`,
  );
  const child = spawn(NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt++) {
    if (await fetch(url).catch(() => null)) break;
    if (attempt === 100 || child.exitCode !== null) {
      child.kill('SIGKILL');
      throw new Error(await readFile(join(folder, 'error.log'), 'utf8').catch(() => 'nginx did not start'));
    }
    await sleep(100);
  }
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
