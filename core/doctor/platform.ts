/** Remedies that depend on the platform of the server. Remedies that no test can try are marked "from documentation". */
import type { SourceCondition } from './source-condition.ts';

type Platform = SourceCondition['platform'];

/** For a setting that the server reads only when it starts. */
export function restartRemedy(platform: Platform, setting: string, value: string): string {
  return platform === 'self-managed'
    ? `ALTER SYSTEM SET ${setting} = ${value}; then restart the server.`
    : `Set ${setting} = ${value} in the ${group(platform)}, then reboot the instance. (from documentation)`;
}

/** For a setting that a running server reloads. */
export function reloadRemedy(platform: Platform, setting: string, value: string): string {
  return platform === 'self-managed'
    ? `ALTER SYSTEM SET ${setting} = ${value}; SELECT pg_reload_conf();`
    : `Set ${setting} = ${value} in the ${group(platform)}. (from documentation)`;
}

/** Hosted servers do not let users set wal_level itself. */
export function walLevelRemedy(platform: Platform): string {
  return platform === 'self-managed'
    ? restartRemedy(platform, 'wal_level', 'logical')
    : restartRemedy(platform, 'rds.logical_replication', '1');
}

function group(platform: Platform): string {
  return platform === 'aurora' ? 'DB cluster parameter group' : 'DB parameter group';
}
