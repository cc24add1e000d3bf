/** The plan that brings rows back, as SQL to copy. Shown only where the server has the route. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, Refused } from '../client.ts';
import type { RestorePlan } from '../documents.ts';
import { Loading, Problem } from './parts.tsx';
import { PlainText } from './plain-text.tsx';
import { plainValue } from './value.tsx';

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
    | { readonly table: string; readonly pk: readonly string[]; readonly at: string };
  readonly label: string;
}

export function RestoreButton({ node, question, label }: RestoreProperties) {
  const [isOpen, setOpen] = useState(false);
  useEffect(lookForRoute, []);
  if (!isOffered.value) return null;
  return (
    <p>
      <button type="button" class="main" onClick={() => setOpen(true)}>
        {label}
      </button>
      {isOpen && <RestoreDialog node={node} question={question} close={() => setOpen(false)} />}
    </p>
  );
}

function RestoreDialog({
  node,
  question,
  close,
}: Omit<RestoreProperties, 'label'> & { readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [plan, setPlan] = useState<RestorePlan | null>(null);
  const [problem, setProblem] = useState<Refused | null>(null);
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
    ask<RestorePlan>(ROUTE.replace('{node}', node), {}, undefined, question).then(setPlan, (error: unknown) =>
      setProblem(error instanceof Refused ? error : new Refused(0, { detail: String(error) })),
    );
  }, []);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(plan!.sql);
    setCopied(true);
  };
  return (
    <dialog ref={dialog} class="wide" aria-labelledby="plan-title" onClose={close}>
      <h2 id="plan-title">What would bring the rows back</h2>
      <Loading when={plan === null && problem === null} />
      <Problem problem={problem} />
      {plan !== null && (
        <>
          <ul>
            {plan.tables?.map((each) => (
              <li key={`${each.schema}.${each.table}`}>
                <PlainText text={`${each.schema}.${each.table}`} />: {`${each.inserts}`} inserts,{' '}
                {`${each.updates}`} updates, {`${each.deletes}`} deletes
              </li>
            ))}
          </ul>
          {plan.conflicts !== undefined && plan.conflicts.length > 0 && (
            <div class="message wrong">
              <b>{plan.conflicts.length} conflicts: rows that have changed since</b>
              <ul>
                {plan.conflicts.slice(0, 50).map((each, index) => (
                  <li key={index}>
                    <PlainText text={`${each.schema}.${each.table} ${plainValue(each.pk)}: ${each.reason}`} />
                  </li>
                ))}
              </ul>
            </div>
          )}
          <textarea aria-label="SQL" class="sql" readOnly rows={14} value={plan.sql} />
        </>
      )}
      <div class="buttons">
        {plan !== null && (
          <button type="button" class="main" onClick={() => void copy()}>
            {isCopied ? 'Copied' : 'Copy SQL'}
          </button>
        )}
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
