/** Steps on a node as a whole: settings of databases and roles, on both sides; its publication; its roles. */
import { HOSTILE, settingValue } from '../hostile-settings.ts';
import { type OutOf, pickFrom } from './random.ts';
import type { Step, Steps } from './steps.ts';

export interface NodePlace {
  readonly source: string;
  readonly store: string;
  /** The roles that runs use. */
  readonly sourceRole: string;
  readonly storeRole: string;
  readonly owner: string;
  readonly publications: readonly string[];
}

/** Settings that our sessions do not fix: they must have no effect. */
const OTHERS: Readonly<Record<string, string>> = {
  work_mem: '64kB',
  logical_decoding_work_mem: '64kB',
  maintenance_work_mem: '1MB',
  enable_seqscan: 'off',
  enable_indexscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_nestloop: 'off',
  enable_partition_pruning: 'off',
  constraint_exclusion: 'off',
  plan_cache_mode: 'force_generic_plan',
  jit: 'on',
  jit_above_cost: '0',
  from_collapse_limit: '1',
  default_statistics_target: '1',
  default_tablespace: 'pg_default',
  lc_messages: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  check_function_bodies: 'off',
  session_replication_role: 'replica',
  track_activities: 'off',
  synchronize_seqscans: 'off',
  wal_compression: 'on',
  backslash_quote: 'off',
  escape_string_warning: 'off',
  log_statement: 'all',
  vacuum_freeze_min_age: '0',
  max_parallel_workers_per_gather: '0',
  parallel_setup_cost: '0',
  min_parallel_table_scan_size: '0',
  cursor_tuple_fraction: '0.01',
  event_triggers: 'off', // from 17 on
  transaction_timeout: '200ms', // from 17 on
  debug_logical_replication_streaming: 'immediate', // from 17 on
  debug_parallel_query: 'regress', // from 16 on
};

export function nextNodeStep(place: NodePlace, outOf: OutOf): Step {
  const steps = outOf(4) > 0 ? settingSteps(place, outOf) : nodeSteps(place, outOf);
  const [form, sql] = pickFrom(outOf, steps);
  return { form, sql: sql() };
}

/** Undone at the end, so that the next sequences begin on an unchanged node. */
export function plainAgain({ source, store, sourceRole, storeRole, owner, publications }: NodePlace): string {
  return [
    ...[source, store].flatMap((database) => [
      `ALTER DATABASE ${database} RESET ALL`,
      `ALTER DATABASE ${database} IS_TEMPLATE false CONNECTION LIMIT -1`,
    ]),
    ...[sourceRole, storeRole].map((role) => `ALTER ROLE ${role} RESET ALL`),
    ...[source, store].flatMap((database) =>
      [sourceRole, storeRole].map((role) => `ALTER ROLE ${role} IN DATABASE ${database} RESET ALL`),
    ),
    `ALTER ROLE ${sourceRole} CONNECTION LIMIT -1`,
    `GRANT ${owner} TO ${sourceRole}`,
    ...publications.flatMap((each) => [
      `ALTER PUBLICATION ${each} OWNER TO ${sourceRole}`,
      `ALTER PUBLICATION ${each} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)`,
    ]),
  ].join('; ');
}

export function settingSteps({ source, store, sourceRole, storeRole }: NodePlace, outOf: OutOf): Steps {
  const all = { ...HOSTILE, ...OTHERS };
  const [role, database] = pickFrom(outOf, [
    [sourceRole, source],
    [storeRole, store],
  ]);
  const set = (): string => {
    const name = pickFrom(outOf, Object.keys(all));
    return `SET ${name} = ${settingValue(name, all[name]!)}`;
  };
  const many = (of: string): string => [1, 2, 3, 4, 5].map(() => `${of} ${set()}`).join('; ');
  return [
    ['ALTER DATABASE SET', () => many(`ALTER DATABASE ${database}`)],
    ['ALTER DATABASE SET FROM CURRENT', () => `ALTER DATABASE ${database} SET work_mem FROM CURRENT`],
    ['ALTER DATABASE RESET', () => `ALTER DATABASE ${database} RESET ALL`],
    [
      'ALTER DATABASE RESET',
      () => `ALTER DATABASE ${database} RESET ${pickFrom(outOf, Object.keys(HOSTILE))}`,
    ],
    ['ALTER ROLE SET', () => many(`ALTER ROLE ${role}`)],
    ['ALTER ROLE SET FROM CURRENT', () => `ALTER ROLE ${role} SET TimeZone FROM CURRENT`],
    ['ALTER ROLE IN DATABASE SET', () => many(`ALTER ROLE ${role} IN DATABASE ${database}`)],
    [
      'ALTER ROLE RESET',
      () => `ALTER ROLE ${role} RESET ALL; ALTER ROLE ${role} IN DATABASE ${database} RESET ALL`,
    ],
  ];
}

export function nodeSteps(
  { source, store, sourceRole, owner, publications }: NodePlace,
  outOf: OutOf,
): Steps {
  const pick = <T>(list: readonly T[]): T => pickFrom(outOf, list);
  const alter = `ALTER DATABASE ${pick([source, store])}`;
  return [
    [
      'ALTER DATABASE WITH option',
      () => `${alter} CONNECTION LIMIT ${pick(['-1', '50'])} IS_TEMPLATE ${pick(['true', 'false'])}`,
    ],
    ['ALTER DATABASE OWNER TO', () => `${alter} OWNER TO ${pick(['CURRENT_USER', owner])}`],
    ['ALTER DATABASE REFRESH COLLATION VERSION', () => `${alter} REFRESH COLLATION VERSION`],
    [
      'ALTER ROLE WITH option',
      () =>
        `ALTER ROLE ${sourceRole} ${pick(['SUPERUSER', 'NOSUPERUSER', 'BYPASSRLS', 'NOBYPASSRLS', 'CREATEDB', `VALID UNTIL '2100-01-01'`])}`,
    ],
    [
      'ALTER ROLE RENAME TO',
      () => `ALTER ROLE ${owner} RENAME TO ${owner}_x; ALTER ROLE ${owner}_x RENAME TO ${owner}`,
    ],
    ['GRANT role', () => `GRANT ${owner} TO ${sourceRole}`],
    ['GRANT role', () => `REVOKE ${owner} FROM ${sourceRole}`],
    ...publications.flatMap((each): Steps => {
      const change = `ALTER PUBLICATION ${each}`;
      return [
        [
          'ALTER PUBLICATION SET (parameter)',
          () =>
            `${change} SET (publish = '${pick(['insert', 'insert, update, delete', 'insert, update, delete, truncate'])}')`,
        ],
        [
          'ALTER PUBLICATION SET (parameter)',
          () => `${change} SET (publish_via_partition_root = ${pick(['true', 'false'])})`,
        ],
        [
          'ALTER PUBLICATION SET (parameter)',
          () => `${change} SET (publish_generated_columns = ${pick(['none', 'stored'])})`,
        ], // from 18 on
        ['ALTER PUBLICATION OWNER TO', () => `${change} OWNER TO ${pick(['CURRENT_USER', sourceRole])}`],
        [
          'ALTER PUBLICATION RENAME TO',
          () => `${change} RENAME TO away; ALTER PUBLICATION away RENAME TO ${each}`,
        ],
      ];
    }),
  ];
}
