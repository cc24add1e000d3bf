/** A list of any length: only the lines in view exist. The chosen line moves with the arrow keys. */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { boxHeight, placeOfScroll, scrollOfPlace } from './line-places.ts';

export interface LongListProperties {
  readonly count: number;
  /** How many lines were put before the first one since the list was made: what is in view stays there. */
  readonly added: number;
  /** Whether there are no more lines than these. */
  readonly isWhole: boolean;
  readonly lineHeight: number;
  readonly label: string;
  readonly chosen: number;
  readonly line: (index: number) => ComponentChildren;
  readonly onChoose: (index: number) => void;
  /** The last lines come into view. */
  readonly onNearEnd?: () => void;
}

const AROUND = 10;
const NEAR_END = 200;

export function LongList(list: LongListProperties) {
  const { count, added, isWhole, lineHeight, label, chosen, line, onChoose, onNearEnd } = list;
  const box = useRef<HTMLDivElement>(null);
  const [scrolled, setScrolled] = useState(0);
  const [height, setHeight] = useState(600);
  const shape = { count, lineHeight, height };
  const top = placeOfScroll(shape, scrolled);
  useEffect(() => {
    const seen = new ResizeObserver(() => setHeight(box.current?.clientHeight ?? 600));
    seen.observe(box.current!);
    return () => seen.disconnect();
  }, []);
  const scrollTo = (place: number): void => {
    const element = box.current!;
    element.scrollTop = scrollOfPlace({ ...shape, height: element.clientHeight }, place);
    setScrolled(element.scrollTop);
  };
  const before = useRef({ added, top });
  useLayoutEffect(() => {
    const lines = added - before.current.added;
    if (lines > 0 && before.current.top > 0) scrollTo(before.current.top + lines * lineHeight);
    before.current = { added, top };
  });
  // the line itself, wherever it is by now
  const identity = chosen - added;
  useEffect(() => {
    const element = box.current;
    if (element === null || chosen < 0) return;
    const now = placeOfScroll({ ...shape, height: element.clientHeight }, element.scrollTop);
    const at = chosen * lineHeight;
    if (at < now) scrollTo(at);
    else if (at + lineHeight > now + element.clientHeight) scrollTo(at + lineHeight - element.clientHeight);
  }, [identity, lineHeight, height]);
  const first = Math.max(0, Math.floor(top / lineHeight) - AROUND);
  const last = Math.min(count, Math.ceil((top + height) / lineHeight) + AROUND);
  const isNearEnd = last > count - NEAR_END;
  useEffect(() => {
    if (isNearEnd) onNearEnd?.();
  }, [isNearEnd, count]);
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
      aria-activedescendant={chosen >= first && chosen < last ? `line-${chosen - added}` : undefined}
      tabIndex={0}
      ref={box}
      onKeyDown={step}
      onScroll={(event) => setScrolled(event.currentTarget.scrollTop)}
    >
      <div class="all" role="presentation" style={{ height: `${boxHeight(shape)}px` }}>
        {lines.map((index) => (
          // the list has the focus and the keys, and names this line as the active one
          // biome-ignore lint/a11y/useFocusableInteractive: see above
          // biome-ignore lint/a11y/useKeyWithClickEvents: see above
          <div
            key={index - added}
            id={`line-${index - added}`}
            class="line"
            role="option"
            aria-selected={index === chosen}
            aria-posinset={index + 1}
            aria-setsize={isWhole ? count : -1}
            style={{
              transform: `translateY(${scrolled + index * lineHeight - top}px)`,
              height: `${lineHeight}px`,
            }}
            onClick={() => onChoose(index)}
          >
            {line(index)}
          </div>
        ))}
      </div>
    </div>
  );
}
