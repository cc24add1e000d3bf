/** The steps of an operator who follows a remedy of doctor: its SQL on the named side, and its commands, in this order. */

export type RemedyStep =
  | { readonly kind: 'sql'; readonly side: 'source' | 'store'; readonly text: string }
  | { readonly kind: 'command'; readonly args: readonly string[] };

const ALTERNATIVES = / or (?=use|name|when|give)|; or,|\. If |\. Or /;
const STEPS =
  /pgtimewarp (?!lists)[^;`(]+|\b(?:ALTER|SELECT|SET|GRANT|CREATE|ROLLBACK|UPDATE|CHECKPOINT)\b[^;]*;/g;

/** @param alternative which of the alternatives of the remedy; default: the first */
export function remedySteps(remedy: string, alternative = 0): RemedyStep[] {
  const chosen = remedy.split(ALTERNATIVES)[alternative] ?? '';
  const side = /on the store/i.test(chosen) ? 'store' : 'source';
  return [...chosen.matchAll(STEPS)].map(([text]) =>
    text.startsWith('pgtimewarp')
      ? { kind: 'command', args: text.trim().split(/\s+/).slice(1) }
      : { kind: 'sql', side, text },
  );
}
