/** A value of a row. NULL, an empty text and a column that is not there look different. */
import { Digits, type Json } from '../exact-json.ts';
import { PlainText } from './plain-text.tsx';

const BYTES = /^\\x(?:[0-9a-f]{2})+$/;

export function Value({ value, cut }: { readonly value: Json | undefined; readonly cut?: number }) {
  const width = cut === undefined ? {} : { cut };
  if (value === undefined) return <span class="no-value">not there</span>;
  if (value === null) return <span class="no-value">NULL</span>;
  if (value === '') return <span class="no-value">empty text</span>;
  if (value instanceof Digits) return <span class="number">{value.text}</span>;
  if (typeof value === 'boolean') return <span class="number">{String(value)}</span>;
  if (typeof value !== 'string') return <Folded value={value} />;
  if (!BYTES.test(value)) return <PlainText text={value} {...width} />;
  return (
    <>
      <PlainText text={value} {...width} />{' '}
      <span class="note">{((value.length - 2) / 2).toLocaleString('en')} bytes</span>
    </>
  );
}

function Folded({ value }: { readonly value: object }) {
  const text = JSON.stringify(value);
  if (text.length <= 40) return <PlainText text={text} />;
  const count = Object.keys(value).length;
  return (
    <details class="json">
      <summary>
        <code>{Array.isArray(value) ? `[ ${count} elements ]` : `{ ${count} members }`}</code>
      </summary>
      <pre>
        <PlainText text={JSON.stringify(value, null, 2)} cut={4000} />
      </pre>
    </details>
  );
}

/** One line of text for a value: titles, CSV, search. */
export function plainValue(value: Json | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' && !(value instanceof Digits) ? JSON.stringify(value) : String(value);
}

/** The key of a row, as people write it. */
export function KeyText({ pk }: { readonly pk: Readonly<Record<string, string>> }) {
  const parts = Object.entries(pk);
  return (
    <span class="key">
      {parts.map(([column, value], index) => (
        <span key={column}>
          {index > 0 && ', '}
          {parts.length > 1 && (
            <>
              <PlainText text={column} cut={60} />=
            </>
          )}
          <PlainText text={value} cut={60} />
        </span>
      ))}
    </span>
  );
}
