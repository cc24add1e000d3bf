/** PostgreSQL refuses to run as root. This finds another user to run it as. */
import { readFile } from 'node:fs/promises';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

export interface UnprivilegedUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const PREFERRED = ['postgres', 'nobody'] as const;

/** Null when the process is not root and can run PostgreSQL as itself. */
export async function findUnprivilegedUser(): Promise<UnprivilegedUser | null> {
  if (process.getuid?.() !== 0) return null;
  const entries = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of PREFERRED) {
    const entry = entries.find((fields) => fields[0] === name);
    const uid = Number.parseInt(entry?.[2] ?? '', 10);
    const gid = Number.parseInt(entry?.[3] ?? '', 10);
    if (uid > 0 && gid > 0) return { name, uid, gid };
  }
  throw new TimewarpError(
    'SERVER_FAILED',
    `PostgreSQL refuses to run as root, and this machine has no user ${PREFERRED.join(' or ')} to run it as`,
    { remedy: 'Run the command as an ordinary user.' },
  );
}
