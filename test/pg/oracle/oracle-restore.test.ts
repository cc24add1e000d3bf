/**
 * `restore` against a second opinion: random transactions, then a random restore of one or several transactions or of a table as of an
 * instant. Either the state afterwards is exactly what the test computes from its own copies, or nothing was changed and the test
 * agrees that it could not be. Every second restore is the script of a plan from the store alone, run by psql. Every fourth follows a TRUNCATE
 * and takes all rows in bulk that it can.
 * RESTORE_SEED repeats a run; RESTORE_ROUNDS is the number of restores.
 */
import { expect, test } from 'vitest';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { restoreText } from '../../../documents/restore.ts';
import { runCommand } from '../../support/command.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { restoreByScript } from '../../support/restore-by-script.ts';
import { restoreInBulk } from '../../support/restore-in-bulk.ts';
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
/** Of a run that passes. What other seeds find is mended before they come here. */
const GREEN_SEED = '1';
const SEED = Number.parseInt(process.env.RESTORE_SEED ?? GREEN_SEED, 10);

/** Tables that nothing refers to. */
const EMPTIED = ['s', 'd', 'p', 'e', '"Q q"'] as const;

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
          const inBulk = round % 4 === 2;
          if (inBulk) await change([`TRUNCATE ${EMPTIED[dice(EMPTIED.length)]}`]);
          await node.catchUp();
          if (steps.length === 1) continue; // every transaction failed
          const before = await worldNow(source);
          const noTriggers = dice(2) === 0;
          const byTable = dice(3) === 0;
          const chosen = byTable ? tableChoice() : transactionChoice();
          const cascade = !byTable && dice(3) === 0;
          const flags = [...(noTriggers ? ['--no-triggers'] : []), ...(cascade ? ['--cascade'] : [])];
          const byScript = round % 2 === 1;
          const what = `round ${round}: restore ${[...chosen.args, ...flags].join(' ')}${byScript ? ' (script)' : ''}`;
          const { code, answer, refused } = byScript
            ? await restoreByScript(node, chosen.args, flags)
            : await restore(chosen.args, flags, inBulk && !cascade);
          if (cascade) chosen.opinion = cascadeOpinion(answer?.of ?? chosen.args, what);
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

        async function change(
          statements: readonly string[] = randomStatements(dice(3) === 0),
        ): Promise<void> {
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

        function randomStatements(inserts: boolean): string[] {
          return Array.from({ length: 1 + dice(3) }, () => randomStatement(dice, inserts));
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

        /** Of a cascade that took these transactions. If it is refused, `lsns` are the named ones. Nothing can be in conflict. */
        function cascadeOpinion(lsns: readonly string[], what: string): Opinion {
          const taken = new Set([...steps.keys()].filter((place) => lsns.includes(steps[place]!.lsn)));
          const closed = closedUnder(steps, taken);
          if (lsns[0] !== '--transaction')
            expect(
              [...closed].filter((place) => !taken.has(place)),
              `${what}: later transactions are missing`,
            ).toEqual([]);
          const opinion = undoing(steps, closed);
          expect([...opinion.conflicts], what).toEqual([]);
          return { ...opinion, doubtful: new Set() };
        }

        async function restore(args: readonly string[], flags: readonly string[], inBulk: boolean) {
          try {
            if (inBulk) {
              const target =
                args[0] === '--transaction'
                  ? { transactions: args.filter((each) => each !== '--transaction') }
                  : { table: args[0]!, at: args.at(-1)! };
              const report = (step: string): void => {
                if (step === 'copying rows') count('with rows in bulk');
              };
              const result = await restoreInBulk(node, target, {
                noTriggers: flags.includes('--no-triggers'),
                report,
              });
              const isDone = result.refused.length === 0 && result.conflicts.length === 0;
              return {
                code: isDone ? 0 : 1,
                answer: JSON.parse(restoreText(result)) as Answer,
                refused: null,
              };
            }
            const { code, stdout } = await runCommand(
              ['restore', ...args, '--apply', '--json', ...flags],
              node,
            );
            return { code, answer: JSON.parse(stdout) as Answer, refused: null };
          } catch (error) {
            if (!(error instanceof TimewarpError) || error.code !== 'RESTORE_REFUSED')
              throw new Error(`restore ${args.join(' ')}`, { cause: error });
            return { code: 1, answer: null, refused: error.message.replace('Nothing was changed: ', '') };
          }
        }
      },
      60_000 + ROUNDS * 20_000,
    );
  });
}

/** With every later step that changed a row which one of them changed. */
function closedUnder(steps: readonly Step[], taken: ReadonlySet<number>): Set<number> {
  const closed = new Set(taken);
  const touched = new Set<string>();
  for (let at = 1; at < steps.length; at++) {
    const places = changedPlaces(steps[at - 1]!.after, steps[at]!.after);
    if (!closed.has(at) && !places.some((place) => touched.has(place))) continue;
    closed.add(at);
    for (const place of places) touched.add(place);
  }
  return closed;
}

interface Answer {
  readonly applied: boolean;
  readonly of: readonly string[];
  readonly lsn: string | null;
  readonly conflicts: readonly { readonly table: string; readonly pk: Record<string, string> }[];
  readonly refused: readonly { readonly reason: string }[];
}

interface Change {
  readonly was: Row | undefined;
  readonly left: Row | undefined;
}
type Row = Readonly<Record<string, string>>;

/** Place by place. What the undone transactions did to a value and took back again concerns nobody. */
function undoing(steps: readonly Step[], undone: ReadonlySet<number>): Opinion {
  const target = new Map(steps.at(-1)!.after);
  const doubtful = new Set<string>();
  const conflicts = new Set<string>();
  const chains = new Map<string, Change[]>();
  for (let at = 1; at < steps.length; at++) {
    const [before, after] = [steps[at - 1]!.after, steps[at]!.after];
    for (const place of changedPlaces(before, after)) {
      if (!undone.has(at)) {
        doubtful.add(place);
        continue;
      }
      const chain = chains.get(place) ?? [];
      chains.set(place, [...chain, { was: before.get(place), left: after.get(place) }]);
    }
  }
  for (const [place, chain] of chains) {
    const now = target.get(place);
    const verdict = chain.every(({ was, left }) => was !== undefined && left !== undefined)
      ? undoneUpdates(chain, now)
      : undoneExistence(chain, now);
    if (verdict === 'conflict') conflicts.add(place);
    else if (verdict === undefined) target.delete(place);
    else target.set(place, verdict);
  }
  return { target, doubtful, conflicts };
}

function undoneUpdates(chain: readonly Change[], now: Row | undefined): Row | undefined | 'conflict' {
  const names = new Set(
    chain.flatMap(({ was, left }) => Object.keys(was!).filter((name) => was![name] !== left![name])),
  );
  const result: Record<string, string> = { ...now };
  for (const name of names) {
    const own = chain.filter(({ was, left }) => was![name] !== left![name]);
    const isBroken = own.some(({ was }, index) => index > 0 && own[index - 1]!.left![name] !== was![name]);
    const [first, last] = [own[0]!.was![name]!, own.at(-1)!.left![name]!];
    if (!isBroken && first === last) continue;
    if (isBroken || now === undefined || now[name] !== last) return 'conflict';
    result[name] = first;
  }
  return now === undefined ? undefined : result;
}

function undoneExistence(chain: readonly Change[], now: Row | undefined): Row | undefined | 'conflict' {
  const isBroken = chain.some(({ was }, index) => index > 0 && text(chain[index - 1]!.left) !== text(was));
  const [first, last] = [chain[0]!.was, chain.at(-1)!.left];
  if (isBroken) return 'conflict';
  if (text(first) === text(last)) return now;
  if (first !== undefined && last !== undefined) return undoneUpdates([{ was: first, left: last }], now);
  return text(now) === text(last) ? first : 'conflict';
}

const text = (row: Row | undefined): string =>
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
