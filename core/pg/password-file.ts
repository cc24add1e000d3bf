/**
 * Reads the password file of libpq (PostgreSQL manual, "The Password File"), when the server wants a password and the URL has
 * none. The package pg still reads it too, but prints a warning and will stop doing it.
 */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TimewarpError } from '../errors/timewarp-error.ts';

export interface Login {
  readonly host?: string | null | undefined;
  readonly port?: number | null | undefined;
  readonly database?: string | null | undefined;
  readonly user?: string | null | undefined;
}

const OTHERS_MAY_READ = 0o077;

/**
 * The password of the first line that matches; undefined if none matches or there is no file. Throws AUTHENTICATION_FAILED when
 * other users may read the file: libpq ignores such a file too.
 */
export async function passwordFromFile(login: Login): Promise<string | undefined> {
  const path = process.env.PGPASSFILE || fileOfUser();
  let text: string;
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & OTHERS_MAY_READ) !== 0) {
      throw new TimewarpError(
        'AUTHENTICATION_FAILED',
        `The server asks for a password. The password file ${path} is not used, because other users may read it.`,
        { remedy: `chmod 0600 ${path}` },
      );
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof TimewarpError) throw error;
    return undefined; // the file is missing or cannot be read: the server then reports the missing password
  }
  const wanted = [
    login.host?.startsWith('/') || !login.host ? 'localhost' : login.host,
    String(login.port ?? 5432),
    login.database ?? login.user ?? '',
    login.user ?? '',
  ];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = (line.match(/(?:\\[\s\S]|[^\\:])*(?::|$)/g) ?? []).map((field) => field.replace(/:$/, ''));
    const password = fields[wanted.length];
    if (password === undefined || password === '') continue;
    const fits = wanted.every((value, index) => fields[index] === '*' || unescaped(fields[index]!) === value);
    if (fits) return unescaped(password);
  }
  return undefined;
}

function unescaped(field: string): string {
  return field.replace(/\\([\s\S])/g, '$1');
}

function fileOfUser(): string {
  return process.platform === 'win32'
    ? join(process.env.APPDATA ?? homedir(), 'postgresql', 'pgpass.conf')
    : join(homedir(), '.pgpass');
}
