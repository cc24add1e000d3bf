/** A list of any length: only the lines in view exist. The chosen line moves with the arrow keys. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface LongListProperties {
  readonly count: number;
  readonly lineHeight: number;
  readonly label: string;
  readonly chosen: number;
  readonly line: (index: number) => ComponentChildren;
  readonly onChoose: (index: number) => void;
}

const AROUND = 10;
/** Browsers do not lay out elements that are much higher. */
const HIGHEST = 8_000_000;

export function LongList({ count, lineHeight, label, chosen, line, onChoose }: LongListProperties) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useEffect(() => {
    const seen = new ResizeObserver(() => setHeight(box.current?.clientHeight ?? 600));
    seen.observe(box.current!);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (element === null || chosen < 0) return;
    const at = chosen * lineHeight;
    if (at < element.scrollTop) element.scrollTop = at;
    else if (at + lineHeight > element.scrollTop + element.clientHeight)
      element.scrollTop = at + lineHeight - element.clientHeight;
  }, [chosen, lineHeight, height]);
  const first = Math.max(0, Math.floor(top / lineHeight) - AROUND);
  const last = Math.min(count, Math.ceil((top + height) / lineHeight) + AROUND);
  const step = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(height / lineHeight) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      ArrowLeft: 1,
      ArrowRight: -1,
      PageDown: page,
      PageUp: -page,
      Home: -count,
      End: count,
    };
    const by = steps[event.key];
    if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onChoose(Math.min(count - 1, Math.max(0, chosen + by)));
  };
  const lines = Array.from({ length: Math.max(0, last - first) }, (_, offset) => first + offset);
  return (
    <div
      class="long-list"
      role="listbox"
      aria-label={label}
      aria-activedescendant={chosen >= first && chosen < last ? `line-${chosen}` : undefined}
      tabIndex={0}
      ref={box}
      onKeyDown={step}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <div class="all" role="presentation" style={{ height: `${Math.min(HIGHEST, count * lineHeight)}px` }}>
        {lines.map((index) => (
          // the list has the focus and the keys, and names this line as the active one
          // biome-ignore lint/a11y/useFocusableInteractive: see above
          // biome-ignore lint/a11y/useKeyWithClickEvents: see above
          <div
            key={index}
            id={`line-${index}`}
            class="line"
            role="option"
            aria-selected={index === chosen}
            aria-posinset={index + 1}
            aria-setsize={count}
            style={{ transform: `translateY(${index * lineHeight}px)`, height: `${lineHeight}px` }}
            onClick={() => onChoose(index)}
          >
            {line(index)}
          </div>
        ))}
      </div>
    </div>
  );
}
