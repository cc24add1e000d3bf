/** Text from the source, always as text: its own direction, invisible characters made visible, long text cut. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

// control characters, marks of direction, spaces without width, and halves of surrogate pairs
const HIDDEN =
  /([\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff])/u;
const SHORT: Readonly<Record<string, string>> = { '\n': '↵', '\t': '⇥', '\r': '␍' };
const CUT = 300;

export function PlainText({ text, cut = CUT }: { readonly text: string; readonly cut?: number }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > cut * 1.2;
  const shown = isLong && !isWhole ? text.slice(0, cut) : text;
  return (
    <>
      <bdi class={isWhole ? 'text whole' : 'text'}>
        {isWhole && text.length > 20_000 ? shown : visible(shown)}
      </bdi>
      {isLong && (
        <button type="button" class="more" onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'show less' : `… show all ${text.length.toLocaleString('en')} characters`}
        </button>
      )}
    </>
  );
}

function visible(text: string): ComponentChildren {
  if (!HIDDEN.test(text)) return text;
  return text.split(HIDDEN).map((part, index) => {
    if (index % 2 === 0) return part;
    const code = `U+${part.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
    return (
      <span key={index} class="hidden-character" title={code}>
        {SHORT[part] ?? code}
        {part === '\n' && '\n'}
      </span>
    );
  });
}
