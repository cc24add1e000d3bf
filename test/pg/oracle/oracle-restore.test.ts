/**
 * `restore` against a second opinion: random transactions, then a random restore of one or several transactions or of a table as of an
 * instant. Either the state afterwards is exactly what the test computes from its own copies, or nothing was changed and the test
 * agrees that it could not be. RESTORE_SEED repeats a run; RESTORE_ROUNDS is the number of restores.
 */
import { expect, test } from 'vitest';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { runCommand } from '../../support/command.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import {
  isPossible,
  RESTORED,
  randomStatement,
  WORLD,
  type World,
  worldNow,
} from '../../support/restore-world.ts';
import { random } from '../../support/retention-twins.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const ROUNDS = Number.parseInt(process.env.RESTORE_ROUNDS ?? '20', 10);
const SEED = Number.parseInt(process.env.RESTORE_SEED ?? `${Math.floor(Math.random() * 1_000_000)}`, 10);

interface Step {
  readonly lsn: string;
  readonly after: World;
}

interface Opinion {
  /** The state that should be there afterwards. */
  readonly target: World;
  /** Places at which other work came later. */
  readonly doubtful: ReadonlySet<string>;
  /** Places at which later work makes the restore impossible. */
  readonly conflicts: ReadonlySet<string>;
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `restore through ${plugin} (RESTORE_SEED=${SEED})`, () => {
    test(
      'puts back exactly what a second opinion expects, or changes nothing',
      async () => {
        await using node = await trackedNode({ plugin, tables: WORLD, track: [...RESTORED] });
        const { source } = node;
        await node.catchUp();
        const dice = random(SEED);
        const steps: Step[] = [{ lsn: await insertLsn(), after: await worldNow(source) }];
        const told = new Map<string, number>();

        for (let round = 0; round < ROUNDS; round++) {
          for (let i = 1 + dice(4); i > 0; i--) await change();
          await node.catchUp();
          const before = await worldNow(source);
          const noTriggers = dice(2) === 0;
          const byTable = dice(3) === 0;
          const chosen = byTable ? tableChoice() : transactionChoice();
          const what = `round ${round}: restore ${chosen.args.join(' ')}${noTriggers ? ' --no-triggers' : ''}`;
          const { code, answer, refused } = await restore(chosen.args, noTriggers);
          const after = await worldNow(source);
          if (code === 0 && answer?.applied === true) {
            count('applied');
            expect([...chosen.opinion.conflicts], `${what}: applied in spite of later work`).toEqual([]);
            expect(differences(after, chosen.opinion.target), what).toEqual([]);
            expect(answer.lsn, what).not.toBeNull();
            steps.push({ lsn: answer.lsn!, after });
            continue;
          }
          expect(differences(after, before), `${what}: it changed something`).toEqual([]);
          if (code === 0) {
            count('nothing to do');
            expect(differences(chosen.opinion.target, before), what).toEqual([]);
          } else if (answer !== null && answer.conflicts.length > 0) {
            count('conflicts');
            const unfounded = answer.conflicts
              .map(({ table, pk }) => placeOf(table, pk))
              .filter((place) => !chosen.opinion.doubtful.has(place));
            expect(unfounded, `${what}: conflicts without later work`).toEqual([]);
          } else {
            const reason = refused ?? answer!.refused.map((each) => each.reason).join(', ');
            count(/^[a-z_ ,]*/.exec(reason)![0] || reason.slice(0, 60));
            const isFounded =
              !(await isPossible(source, chosen.opinion.target)) ||
              (await isKnownLimit(reason, before, chosen.opinion.target, noTriggers));
            expect(isFounded, `${what}: refused: ${reason}`).toBe(true);
          }
        }
        console.log(
          `restore, ${plugin}, seed ${SEED}: ${[...told].map(([how, n]) => `${n} ${how}`).join(', ')}`,
        );
        expect(told.get('applied') ?? 0).toBeGreaterThan(ROUNDS / 5);

        async function insertLsn(): Promise<string> {
          const { rows } = await source.query<{ lsn: string }>(
            'SELECT pg_current_wal_insert_lsn()::text AS lsn',
          );
          return rows[0]!.lsn;
        }

        function count(how: string): void {
          told.set(how, (told.get(how) ?? 0) + 1);
        }

        async function change(): Promise<void> {
          const inserts = dice(3) === 0;
          const statements = Array.from({ length: 1 + dice(3) }, () => randomStatement(dice, inserts));
          await source.query('BEGIN');
          const { rows } = await source.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
          try {
            for (const statement of statements) await source.query(statement);
            await source.query('COMMIT');
          } catch {
            await source.query('ROLLBACK');
            return;
          }
          const after = await worldNow(source);
          if (differences(after, steps.at(-1)!.after).length === 0) return;
          await node.catchUp();
          const found = await node.store.query<{ lsn: string }>(
            'SELECT lsn::text AS lsn FROM pgtimewarp.lsn_time_map WHERE xid = $1::bigint',
            [rows[0]!.xid],
          );
          steps.push({ lsn: found.rows[0]!.lsn, after });
        }

        /** One to three of the latest transactions. */
        function transactionChoice(): { args: string[]; opinion: Opinion } {
          const latest = Math.min(8, steps.length - 1);
          const places = new Set(
            Array.from({ length: 1 + dice(3) }, () => steps.length - 1 - dice(latest || 1)),
          );
          const undone = [...places].filter((place) => place > 0).sort((a, b) => b - a);
          return {
            args: undone.flatMap((place) => ['--transaction', steps[place]!.lsn]),
            opinion: undoing(steps, new Set(undone)),
          };
        }

        function tableChoice(): { args: string[]; opinion: Opinion } {
          const then = steps[Math.max(0, steps.length - 1 - dice(8))]!;
          const table = RESTORED[dice(RESTORED.length)]!;
          const target = new Map(steps.at(-1)!.after);
          for (const place of target.keys()) if (place.startsWith(`${table}|`)) target.delete(place);
          for (const [place, row] of then.after) if (place.startsWith(`${table}|`)) target.set(place, row);
          return {
            args: [table, '--all', '--at', then.lsn],
            opinion: { target, doubtful: new Set(), conflicts: new Set() },
          };
        }

        async function restore(args: readonly string[], noTriggers: boolean) {
          const flags = ['--apply', '--json', ...(noTriggers ? ['--no-triggers'] : [])];
          try {
            const { code, stdout } = await runCommand(['restore', ...args, ...flags], node);
            return { code, answer: JSON.parse(stdout) as Answer, refused: null };
          } catch (error) {
            if (!(error instanceof TimewarpError) || error.code !== 'RESTORE_REFUSED') throw error;
            return { code: 1, answer: null, refused: error.message.replace('Nothing was changed: ', '') };
          }
        }
      },
      60_000 + ROUNDS * 20_000,
    );
  });
}

interface Answer {
  readonly applied: boolean;
  readonly lsn: string | null;
  readonly conflicts: readonly { readonly table: string; readonly pk: Record<string, string> }[];
  readonly refused: readonly { readonly reason: string }[];
}

/** Undoes the newest first, on a copy of the present state. */
function undoing(steps: readonly Step[], undone: ReadonlySet<number>): Opinion {
  const target = new Map(steps.at(-1)!.after);
  const doubtful = new Set<string>();
  const conflicts = new Set<string>();
  for (let at = steps.length - 1; at > 0; at--) {
    const [before, after] = [steps[at - 1]!.after, steps[at]!.after];
    for (const place of changedPlaces(before, after)) {
      if (!undone.has(at)) {
        doubtful.add(place);
        continue;
      }
      const [was, left, now] = [before.get(place), after.get(place), target.get(place)];
      if (was !== undefined && left !== undefined) {
        const touched = Object.keys(was).filter((name) => was[name] !== left[name]);
        if (now === undefined || touched.some((name) => now[name] !== left[name])) conflicts.add(place);
        else target.set(place, { ...now, ...Object.fromEntries(touched.map((name) => [name, was[name]!])) });
      } else if (text(now) !== text(left)) conflicts.add(place);
      else if (was === undefined) target.delete(place);
      else target.set(place, was);
    }
  }
  return { target, doubtful, conflicts };
}

const text = (row: Readonly<Record<string, string>> | undefined): string =>
  row === undefined ? '' : JSON.stringify(Object.entries(row).sort());

function changedPlaces(one: World, other: World): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter(
    (place) => text(one.get(place)) !== text(other.get(place)),
  );
}

function differences(found: World, expected: World): object[] {
  return changedPlaces(found, expected).map((place) => ({
    place,
    found: found.get(place),
    expected: expected.get(place),
  }));
}

function placeOf(table: string, pk: Readonly<Record<string, string>>): string {
  const name = table === 'Q q' ? '"Q q"' : table;
  return `${name}|${table === 'p' ? `${pk.region} ${pk.id}` : Object.values(pk)[0]}`;
}

/** What restore does not do although the state would be possible (docs/restore.md). */
async function isKnownLimit(
  reason: string,
  before: World,
  target: World,
  noTriggers: boolean,
): Promise<boolean> {
  const changed = changedPlaces(before, target);
  const isAt = (table: string): boolean => changed.some((place) => place.startsWith(`${table}|`));
  const kept = (place: string): boolean => before.has(place) && target.has(place);
  if (reason.startsWith('not_exact')) return isAt('s') && !noTriggers; // the trigger stamps every update
  // a cascade or SET NULL would concern rows that are not undone: then the target is not possible, or the action would write them
  if (reason.startsWith('unplanned_writes')) return isAt('c') || isAt('o') || isAt('p');
  // two rows exchange a value, or one takes that of another that is written later in the same statement
  if (reason.startsWith('unique_conflict')) return changed.filter(kept).length > 1 || isAt('o');
  if (reason.includes('exclusion constraint'))
    return changed.filter((place) => place.startsWith('e|')).length > 1;
  return false;
}
