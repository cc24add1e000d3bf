/** Remedies that depend on where the server runs. What cannot be tried here is marked: from documentation. */
import type { SourceCondition } from './source-condition.ts';

type Platform = SourceCondition['platform'];

/** For a setting that is read at the start of the server only. */
export function restartRemedy(platform: Platform, setting: string, value: string): string {
  return platform === 'self-managed'
    ? `ALTER SYSTEM SET ${setting} = ${value}; then restart the server.`
    : `Set ${setting} = ${value} in the ${group(platform)}, then reboot the instance. (from documentation)`;
}

/** For a setting that can be changed while the server runs. */
export function reloadRemedy(platform: Platform, setting: string, value: string): string {
  return platform === 'self-managed'
    ? `ALTER SYSTEM SET ${setting} = ${value}; SELECT pg_reload_conf();`
    : `Set ${setting} = ${value} in the ${group(platform)}. (from documentation)`;
}

/** wal_level itself cannot be set on hosted servers. */
export function walLevelRemedy(platform: Platform): string {
  return platform === 'self-managed'
    ? restartRemedy(platform, 'wal_level', 'logical')
    : restartRemedy(platform, 'rds.logical_replication', '1');
}

function group(platform: Platform): string {
  return platform === 'aurora' ? 'DB cluster parameter group' : 'DB parameter group';
}
