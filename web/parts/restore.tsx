/** The plan that puts rows back: what changes, which rows are in conflict, and the SQL to copy. Only where the server has the route. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, type Refused } from '../client.ts';
import type { RestoreConflict, RestorePlan } from '../documents.ts';
import type { Json } from '../exact-json.ts';
import { refusal } from '../use-answer.ts';
import { Differences } from './differences.tsx';
import { Loading, Problem } from './parts.tsx';
import { PlainText } from './plain-text.tsx';
import { KeyText } from './value.tsx';

const ROUTE = '/v1/nodes/{node}/restore-plans';
const isOffered = signal(false);
let isAsked = false;

/** Once: the description of the server lists its routes. */
function lookForRoute(): void {
  if (isAsked) return;
  isAsked = true;
  ask<{ paths?: Record<string, unknown> }>('/openapi.json').then(
    ({ paths }) => {
      isOffered.value = paths !== undefined && ROUTE in paths;
    },
    () => {
      isAsked = false;
    },
  );
}

export interface RestoreProperties {
  readonly node: string;
  readonly question:
    | { readonly transactions: readonly string[] }
    | { readonly table: string; readonly pk: Json; readonly at: string };
  readonly label: string;
}

export function RestoreButton({ node, question, label }: RestoreProperties) {
  const [isOpen, setOpen] = useState(false);
  useEffect(lookForRoute, []);
  if (!isOffered.value) return null;
  return (
    <p>
      <button type="button" class="main" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        {label}
      </button>
      {isOpen && <RestoreDialog node={node} question={question} close={() => setOpen(false)} />}
    </p>
  );
}

interface Asked {
  readonly plan: RestorePlan | null;
  readonly problem: Refused | null;
  /** Whether rows in conflict are left out of this plan; null: there is no answer yet. */
  readonly leavesOut: boolean | null;
}

const NOTHING: Asked = { plan: null, problem: null, leavesOut: null };

/** The plan; it is asked for again when `leavesOut` changes. */
function usePlan({ node, question }: Omit<RestoreProperties, 'label'>, leavesOut: boolean): Asked {
  const [asked, setAsked] = useState<Asked>(NOTHING);
  useEffect(() => {
    const gone = new AbortController();
    const path = ROUTE.replace('{node}', node);
    ask<RestorePlan>(path, {}, gone.signal, { ...question, skip_conflicts: leavesOut }).then(
      (plan) => setAsked({ plan, problem: null, leavesOut }),
      (error: unknown) => {
        if (gone.signal.aborted) return;
        setAsked({ plan: null, problem: refusal(error), leavesOut });
      },
    );
    return () => gone.abort();
  }, [leavesOut]);
  return asked;
}

function RestoreDialog({
  node,
  question,
  close,
}: Omit<RestoreProperties, 'label'> & { readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [leavesOut, setLeavesOut] = useState(false);
  const { plan, problem, leavesOut: isWithout } = usePlan({ node, question }, leavesOut);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="wide plan" aria-labelledby="plan-title" onClose={close}>
      <h2 id="plan-title">What would put the rows back</h2>
      <Loading when={plan === null && problem === null} />
      <Problem problem={problem} />
      {plan !== null && <Plan plan={plan} />}
      {plan !== null && (plan.conflicts.length > 0 || leavesOut) && (
        <label class="check">
          <input
            type="checkbox"
            checked={leavesOut}
            onChange={(event) => setLeavesOut(event.currentTarget.checked)}
          />
          Leave rows in conflict as they are, and put back the others
        </label>
      )}
      {/* the SQL of the other choice must not be copied */}
      <Script
        sql={isWithout === leavesOut ? (plan?.sql ?? null) : null}
        close={() => dialog.current?.close()}
      />
    </dialog>
  );
}

function Plan({ plan: { tables, conflicts, refused, notes, sql } }: { readonly plan: RestorePlan }) {
  return (
    <>
      {tables.length > 0 && (
        <ul class="plain planned">
          {tables.map((each) => (
            <li key={`${each.schema}.${each.table}`}>
              <b>
                <PlainText text={nameOf(each)} cut={130} />
              </b>{' '}
              {countsOf(each)}
            </li>
          ))}
        </ul>
      )}
      {refused.map((each, index) => (
        <div key={index} class="message wrong" role="alert">
          <p>
            <PlainText text={`${nameOf(each)}: ${each.message}`} cut={600} />
          </p>
        </div>
      ))}
      {sql === null && refused.length === 0 && (
        <p class="message">There is nothing to put back: the rows are as they were.</p>
      )}
      {conflicts.length > 0 && <Conflicts conflicts={conflicts} />}
      {notes.map((note) => (
        <p key={note} class="note">
          <PlainText text={note} cut={600} />
        </p>
      ))}
    </>
  );
}

const SHOWN = 20;

function Conflicts({ conflicts }: { readonly conflicts: readonly RestoreConflict[] }) {
  const { length } = conflicts;
  return (
    <section class="message wrong" aria-labelledby="conflicts">
      <h3 id="conflicts">
        {length === 1 ? '1 row is in conflict' : `${length.toLocaleString('en')} rows are in conflict`}
      </h3>
      <ul class="plain">
        {conflicts.slice(0, SHOWN).map((each, index) => (
          <li key={index}>
            <PlainText text={nameOf(each)} cut={130} /> <KeyText pk={each.pk} />:{' '}
            {REASONS[each.reason] ?? each.reason}
            {each.expected !== null && each.found !== null && (
              <Differences before={each.expected} after={each.found} labels={['was left as', 'is now']} />
            )}
          </li>
        ))}
      </ul>
      {length > SHOWN && <p class="note">and {(length - SHOWN).toLocaleString('en')} more</p>}
    </section>
  );
}

const REASONS: Readonly<Record<string, string>> = {
  changed_since: 'changed since',
  gone: 'removed since',
  exists_now: 'a row with this key exists again',
  key_reused: 'removed and inserted again',
  later_change: 'changed by another transaction in between',
};

interface ScriptProperties {
  readonly sql: string | null;
  readonly close: () => void;
}

/** The SQL and what can be done with it. The button to copy has the focus as soon as there is something to copy. */
function Script({ sql, close }: ScriptProperties) {
  const text = useRef<HTMLTextAreaElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [said, setSaid] = useState('');
  useEffect(() => {
    setSaid('');
    if (sql !== null) button.current?.focus();
  }, [sql]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(sql!);
      setSaid('Copied. Run it with psql, with a login that may write.');
    } catch {
      // without TLS there is no clipboard
      text.current?.select();
      setSaid('The browser does not allow it: press Ctrl+C.');
    }
  };
  return (
    <>
      {sql !== null && <textarea ref={text} aria-label="SQL" class="sql" readOnly rows={10} value={sql} />}
      <div class="buttons">
        {sql !== null && (
          <button ref={button} type="button" class="main" onClick={() => void copy()}>
            Copy SQL
          </button>
        )}
        <button type="button" onClick={close}>
          Close
        </button>
        <span role="status">{said}</span>
      </div>
    </>
  );
}

const nameOf = ({ schema, table }: { readonly schema: string; readonly table: string }): string =>
  schema === 'public' ? table : `${schema}.${table}`;

function countsOf({ inserts, updates, deletes }: RestorePlan['tables'][number]): string {
  const counts = [
    [`${inserts}`, 'to insert'],
    [`${updates}`, 'to update'],
    [`${deletes}`, 'to delete'],
  ] as const;
  const said = counts.filter(([count]) => count !== '0').map(([count, what]) => `${count} ${what}`);
  return said.length === 0 ? 'no rows' : said.join(', ');
}
