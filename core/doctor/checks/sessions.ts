/** Checks the sessions of both databases: each keeps its server process, no inherited time-out ends it, its encoding is usable. */
import type { DatabaseSide } from '../../pg/database-error.ts';
import { whyEncodingRefused } from '../../pg/encoding.ts';
import type { Pooling } from '../../pg/pooler.ts';
import { type Check, fail, notKnown, ok } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';
import type { InheritedSetting } from '../inherited-settings.ts';

export function checkSessions({ source, store, pooling }: DoctorFacts): Check[] {
  return [
    ...(source.facts === null ? [] : checkSide('source', pooling.source, source.facts.condition)),
    ...(store.facts === null ? [] : checkSide('store', pooling.store, store.facts.condition)),
  ];
}

interface SideCondition {
  readonly encoding: string;
  readonly inherited: { readonly timeouts: readonly InheritedSetting[] } | null;
}

function checkSide(side: DatabaseSide, pooling: Pooling, condition: SideCondition | null): Check[] {
  return [
    checkPooling(side, pooling),
    ...(condition === null
      ? []
      : [
          condition.inherited === null
            ? notKnown(`${side}_timeouts`, `What sessions of the ${side} inherit`)
            : checkTimeouts(side, condition.inherited.timeouts, pooling === 'transaction'),
          checkEncoding(side, condition.encoding),
        ]),
  ];
}

const POOLING: Readonly<Record<Exclude<Pooling, 'transaction'>, string>> = {
  none: 'is reached without a pooler',
  session: 'is reached through a pooler, which keeps the session of each connection',
  unknown: 'could not be checked for a pooler',
};

/** PgBouncer manual, "pool_mode". */
function checkPooling(side: DatabaseSide, pooling: Pooling): Check {
  const code = `${side}_pooler` as const;
  return pooling === 'transaction'
    ? fail(
        code,
        `The ${side} is reached through a pooler that gives every transaction another session: runs end with SESSION_CHANGED.`,
        `Name the server itself as --${side}; or, on the console of PgBouncer (and in its file): SET pool_mode = 'session';`,
      )
    : ok(code, `The ${side} ${POOLING[pooling]}.`);
}

/** Sessions of pgtimewarp set their own time-outs. A pooler in transaction mode may run the next transaction in another session, without them. */
function checkTimeouts(
  side: DatabaseSide,
  timeouts: readonly InheritedSetting[],
  isExchanged: boolean,
): Check {
  const code = `${side}_timeouts` as const;
  if (timeouts.length === 0) return ok(code, `No time-out of the ${side} is inherited.`);
  const which = timeouts.map(({ name, value, from }) => `${name} = ${value} (${from})`).join(', ');
  return isExchanged
    ? fail(
        code,
        `Sessions of the ${side} inherit ${which}, which ends runs and questions through this pooler.`,
        `On the ${side}: ${timeouts.map(({ reset }) => reset).join(' ')}`,
      )
    : ok(code, `Sessions of the ${side} inherit ${which}; those of pgtimewarp set their own.`);
}

function checkEncoding(side: DatabaseSide, encoding: string): Check {
  const code = `${side}_encoding` as const;
  const refusal = whyEncodingRefused(encoding, side);
  return refusal === null
    ? ok(code, `The ${side} has the encoding ${encoding}.`)
    : fail(code, refusal.message, refusal.remedy);
}
