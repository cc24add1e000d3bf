/**
 * Says that runs have added something to what a view shows, and shows it when somebody asks: an answer that changes under the eyes
 * of its reader would lose their place.
 */
import { useEffect, useState } from 'preact/hooks';
import type { Parameters } from '../client.ts';
import type { Frame, Point, Transactions } from '../documents.ts';
import { useAnswer } from '../use-answer.ts';

export interface News {
  /** How many transactions; at most {@link MOST}. */
  readonly count: number;
  /** Whether what is not known is another by now. */
  readonly isOtherwise: boolean;
  /** Up to when the shown answer is the answer: the horizon of the node if there is no news. */
  readonly upTo: Point | null;
}

const MOST = 100;

/**
 * @param shown the answer of the view; null, or with a `to` of the past: there is no news
 * @param parameters which transactions concern it
 */
export function useNews(
  { node, horizon }: { readonly node: string; readonly horizon: Point | null },
  shown: Pick<Frame, 'horizon'> | null,
  parameters: Parameters = {},
): News {
  const from = shown?.horizon?.ts;
  const isBehind = from !== undefined && horizon !== null && horizon.ts > from;
  const path = isBehind ? `/v1/nodes/${node}/transactions` : null;
  const { answer } = useAnswer<Transactions>(path, {
    ...parameters,
    from,
    to: horizon?.ts,
    limit: `${MOST}`,
  });
  const isOf = answer !== null && answer.from === from && isBehind;
  const count = isOf ? answer.transactions.length : 0;
  const isOtherwise = isOf && answer.unknown.length > 0;
  const upTo = isOf && count === 0 && !isOtherwise ? (answer.horizon ?? null) : (shown?.horizon ?? null);
  return { count, isOtherwise, upTo };
}

export function Newer({ news, show }: { readonly news: News; readonly show: () => void }) {
  const { count, isOtherwise } = news;
  const [said, setSaid] = useState('');
  const text =
    count === 0
      ? isOtherwise
        ? 'What is known has changed'
        : ''
      : `${count}${count === MOST ? ' or more' : ''} newer ${count === 1 ? 'transaction' : 'transactions'}`;
  useEffect(() => setSaid(text), [text]);
  return (
    <p class="newer" role="status">
      {said !== '' && (
        <button type="button" onClick={show}>
          {said}: show
        </button>
      )}
    </p>
  );
}
